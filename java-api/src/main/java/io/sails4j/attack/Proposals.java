package io.sails4j.attack;

/** Where the candidates of a step come from. */
public enum Proposals {
    /** The substitutions for which the gradient promises most (Zou et al., arXiv:2307.15043, algorithm 1); the best always takes over. */
    GRADIENT,
    /** Any token at any place, and only what lowers the loss takes over: what the gradient has to beat with the same budget. */
    RANDOM
}
