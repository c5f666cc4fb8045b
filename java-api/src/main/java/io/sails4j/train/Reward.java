package io.sails4j.train;

import io.sails4j.data.TokenPrompt;
import java.util.List;
import java.util.function.ToDoubleFunction;

/**
 * Grades the answers that a policy learns from. The same answers must get the same grades, or a run that goes on after a stop ends
 * otherwise than one that was not stopped. Called by one thread at a time.
 */
@FunctionalInterface
public interface Reward {
    /**
     * Grades some answers, each as it would be alone.
     *
     * @return a grade for each, in their order
     */
    List<Grade> grade(List<SampledAnswer> answers);

    /** What stands for it in files; a run goes on only with the same. */
    default String name() {
        return "function";
    }

    /**
     * Asked before the first step.
     *
     * @throws io.sails4j.InputException where answers to these prompts cannot be graded
     */
    default void requireGradable(List<TokenPrompt> prompts) {
    }

    /** A reward by a function of prompt, answer and what is wanted. */
    static Reward of(ToDoubleFunction<SampledAnswer> function) {
        return answers -> answers.stream().map(answer -> Grade.of(function.applyAsDouble(answer))).toList();
    }
}
