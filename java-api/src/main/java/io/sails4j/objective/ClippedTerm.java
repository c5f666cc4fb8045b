package io.sails4j.objective;

/**
 * GRPO's objective of one token (arXiv:2402.03300 eq. 3 and 4): min(rho A, clip(rho, 1 - eps, 1 + eps) A) - beta (1 / d - log(1 / d) - 1),
 * with rho = exp(logp - old) and d = exp(logp - reference).
 *
 * @param value to be made large
 * @param slope its derivative by logp
 * @param clipped whether the ratio counts no more
 */
record ClippedTerm(double value, double slope, boolean clipped) {
    /**
     * One token's.
     *
     * @param logp of the token now
     * @param old of the token when it was sampled
     * @param reference of the token without the adapter
     */
    static ClippedTerm of(double logp, double old, double reference, double advantage, double eps, double beta) {
        double ratio = Math.exp(logp - old);
        double bounded = Math.clamp(ratio, 1 - eps, 1 + eps);
        boolean clipped = bounded * advantage < ratio * advantage;
        double away = reference - logp;
        double kl = beta == 0 ? 0 : beta * (Math.expm1(away) - away);
        double klSlope = beta == 0 ? 0 : -beta * Math.expm1(away);
        return new ClippedTerm((clipped ? bounded : ratio) * advantage - kl, (clipped ? 0 : ratio * advantage) - klSlope, clipped);
    }
}
