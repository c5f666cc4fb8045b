package io.sails4j.saeeval;

/**
 * How well codes stand for vectors x, with x^ their reconstructions and m the mean of all x.
 *
 * @param vectors how many were looked at
 * @param l0 mean number of active features
 * @param mse mean squared error per element
 * @param fvu fraction of variance unexplained, sum |x - x^|^2 / sum |x - m|^2
 * @param explainedVariance mean over the vectors of 1 - |x - x^|^2 / |x - m|^2
 * @param cosine mean cosine of x and x^
 * @param lengthRatio mean of |x^| / |x|
 * @param dead features that no vector activates
 * @param dense features that are active on more than a share of the vectors
 * @param features all of them
 */
public record ReconstructionMeasures(long vectors, double l0, double mse, double fvu, double explainedVariance, double cosine,
    double lengthRatio, int dead, int dense, int features) {
}
