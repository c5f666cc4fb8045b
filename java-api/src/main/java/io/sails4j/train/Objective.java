package io.sails4j.train;

/**
 * Likelihood of the aligned answers, or preference of the aligned over the unaligned (arXiv:2305.18290, arXiv:2310.12036,
 * arXiv:2403.07691).
 */
public enum Objective {
    SFT, DPO, IPO, ORPO
}
