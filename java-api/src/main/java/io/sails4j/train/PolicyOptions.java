package io.sails4j.train;

import io.sails4j.InputException;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;
import java.util.function.Consumer;

/**
 * How a policy learns from the rewards of its own answers: RLOO (arXiv:2402.14740), GRPO (arXiv:2402.03300).
 *
 * @param clip epsilon of GRPO's ratio
 * @param innerUpdates mu of GRPO: optimizer steps on one batch of answers
 */
@OptionGroup("Policy")
public record PolicyOptions(
    @Described(value = "of rloo and grpo: answers that are sampled for each prompt", label = "K",
        usedWith = "objective=rloo|grpo") int samples,
    @Described(value = "of rloo and grpo: prompts whose answers make a step", label = "N",
        usedWith = "objective=rloo|grpo") int promptsPerStep,
    @Described(value = "weight of the KL to the untrained model: in the reward for rloo, in the loss for grpo; 0 = none",
        label = "B", usedWith = "objective=rloo|grpo") double klBeta,
    @Described(value = "of grpo: the ratio of new to old probability counts within 1 - E and 1 + E", label = "E",
        usedWith = "objective=grpo") double clip,
    @Described(value = "of grpo: optimizer steps on the answers of each batch of prompts", label = "N",
        usedWith = "objective=grpo") int innerUpdates,
    SamplingOptions sampling) {

    /** Answers of a step, which are all in memory before it is taken. */
    private static final long MOST_ANSWERS = 1_000_000;

    public PolicyOptions {
        InputException.requireOption(samples >= 2, "samples", samples, "2 or more: an answer is compared with others to the same prompt");
        InputException.requireOption(promptsPerStep >= 1, "prompts_per_step", promptsPerStep, "1 or more");
        if ((long) samples * promptsPerStep > MOST_ANSWERS) {
            throw new InputException("a step has samples=" + samples + " times prompts_per_step=" + promptsPerStep
                + " answers, expected at most " + MOST_ANSWERS + " of them: lower samples or prompts_per_step");
        }
        InputException.requireOption(klBeta >= 0 && Double.isFinite(klBeta), "kl_beta", klBeta, "0 (no KL) or a positive number");
        InputException.requireOption(clip > 0 && clip < 1, "clip", clip, "a number between 0 and 1");
        InputException.requireOption(innerUpdates >= 1, "inner_updates", innerUpdates, "1 or more");
    }

    /** Four answers to each of eight prompts, a KL of weight 0.05, one step on each batch. */
    public static PolicyOptions defaults() {
        return new PolicyOptions(4, 8, 0.05, 0.2, 1, SamplingOptions.defaults());
    }

    /** Other options: {@code change} gets a builder that has these. */
    public PolicyOptions with(Consumer<Builder> change) {
        Builder builder = new Builder(this);
        change.accept(builder);
        return new PolicyOptions(builder.samples, builder.promptsPerStep, builder.klBeta, builder.clip, builder.innerUpdates,
            builder.sampling);
    }

    /** The components, to be changed. */
    public static final class Builder {
        public int samples;
        public int promptsPerStep;
        public double klBeta;
        public double clip;
        public int innerUpdates;
        public SamplingOptions sampling;

        private Builder(PolicyOptions from) {
            samples = from.samples;
            promptsPerStep = from.promptsPerStep;
            klBeta = from.klBeta;
            clip = from.clip;
            innerUpdates = from.innerUpdates;
            sampling = from.sampling;
        }
    }
}
