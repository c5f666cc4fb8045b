package io.sails4j.saetrain;

/** Sparsity terms of jumprelu. */
public enum SparsityPenalty {
    /** The number of active features (arXiv:2407.14435, section 3). */
    L0,
    /** tanh(4 f), which is close to 1 for a feature that is well active (Anthropic, Circuits Updates, January 2025). */
    TANH
}
