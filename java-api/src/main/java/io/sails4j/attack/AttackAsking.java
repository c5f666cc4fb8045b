package io.sails4j.attack;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.eval.Asking;
import io.sails4j.eval.EvalResult;

/** The questions of an attack, for one run. */
sealed interface AttackAsking extends Asking, Asking.Running permits GcgAsking, PrefillAsking, AblateAsking {
    /** What the attack came to, once everything is judged. */
    AttackResult result(EvalResult evaluated);

    @Override
    default String fileName() {
        return "attack.json";
    }

    @Override
    default ObjectNode json(EvalResult evaluated) {
        return result(evaluated).json();
    }
}
