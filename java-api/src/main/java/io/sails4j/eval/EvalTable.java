package io.sails4j.eval;

import io.sails4j.judge.Judgement;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** What each arm answered and each judge said of it. */
final class EvalTable {
    final @Nullable Answer[][] answers;
    final @Nullable Judgement[][][] judgements;

    final @Nullable Judgement[][] labelled;

    /** @param labelled answers that people labelled, which are judged too */
    EvalTable(int arms, int prompts, int judges, int labelled) {
        answers = new Answer[arms][prompts];
        judgements = new Judgement[judges][arms][prompts];
        this.labelled = new Judgement[judges][labelled];
    }

    Answer answer(int arm, int prompt) {
        Answer answer = answers[arm][prompt];
        if (answer == null) {
            throw new IllegalStateException("prompt " + prompt + " has no answer of arm " + arm);
        }
        return answer;
    }

    Judgement judgement(int judge, int arm, int prompt) {
        Judgement judgement = judgements[judge][arm][prompt];
        if (judgement == null) {
            throw new IllegalStateException("the answer to prompt " + prompt + " of arm " + arm + " has no judgement of judge " + judge);
        }
        return judgement;
    }

    /** What a judge says of the answers that people labelled. */
    List<Judgement> labelled(int judge) {
        return Arrays.stream(labelled[judge]).map(Objects::requireNonNull).toList();
    }
}
