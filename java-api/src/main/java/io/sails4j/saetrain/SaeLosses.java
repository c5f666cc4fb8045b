package io.sails4j.saetrain;

/**
 * What a step of one autoencoder found, on its batch and before its update.
 *
 * @param loss all terms together
 * @param mse mean over the vectors of the sum of squared errors, in units where vectors have a mean length of sqrt(d_in)
 * @param sparsity the sparsity term with its coefficient
 * @param aux the term of dead features, or of the gates of gated, with its coefficient
 * @param fvu fraction of variance unexplained: squared errors by squared deviations from the batch's mean
 * @param l0 mean number of active features
 * @param dead features that have not fired for the steps that make them dead
 * @param gradNorm norm of all gradients before they are clipped
 */
public record SaeLosses(double loss, double mse, double sparsity, double aux, double fvu, double l0, int dead, double gradNorm) {
}
