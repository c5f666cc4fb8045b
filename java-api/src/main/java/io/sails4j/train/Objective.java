package io.sails4j.train;

/**
 * Likelihood of the aligned answers; preference of the aligned over the unaligned (arXiv:2305.18290, arXiv:2310.12036, arXiv:2403.07691);
 * or the reward of answers that the model samples itself (arXiv:2402.14740, arXiv:2402.03300).
 */
public enum Objective {
    SFT, DPO, IPO, ORPO, RLOO, GRPO;

    /** Whether it learns from answers that the model samples itself, and their rewards, and not from answers of the data. */
    public boolean samplesAnswers() {
        return this == RLOO || this == GRPO;
    }
}
