package io.sails4j.saetrain;

/** What makes a feature active. */
public enum SaeKind {
    /** A threshold of its own, learned by straight-through estimators (arXiv:2407.14435). */
    JUMPRELU,
    /** To be among the k largest of a vector (arXiv:2406.04093). */
    TOPK,
    /** To be among the largest of a batch, k a vector on average (arXiv:2412.06410); written as jumprelu. */
    BATCHTOPK,
    /** A gate that shares its directions with the magnitude (arXiv:2404.16014). */
    GATED,
    /** ReLU under an L1 term weighted by decoder norms (Anthropic, Circuits Updates, April 2024). */
    STANDARD;

    /** Whether the number of active features is fixed, and no term has to hold it down. */
    boolean fixesCount() {
        return this == TOPK || this == BATCHTOPK;
    }
}
