package io.sails4j.judge;

import io.sails4j.InputException;
import io.sails4j.data.ChatTemplate;

/**
 * How a local model judges.
 *
 * @param template the chat template: {@code checkpoint}, {@code gemma2}, {@code llama3}, or the path of a Jinja file
 * @param leastMass probability that the five scores must have together: below it the model does not answer with a score, and which of the
 *     five it likes best says nothing
 */
public record ModelJudgeOptions(Rubric rubric, String template, double leastMass) {
    public ModelJudgeOptions {
        InputException.requireOption(leastMass >= 0 && leastMass <= 1, "min_mass", leastMass, "0 to 1");
    }

    /** The rubric of harm, the checkpoint's template, half of the probability. */
    public static ModelJudgeOptions defaults() {
        return new ModelJudgeOptions(Rubric.ofHarm(), ChatTemplate.CHECKPOINT, 0.5);
    }
}
