package io.sails4j.saeeval;

/**
 * What a model loses where reconstructions take the place of its residual stream after a layer, at all tokens but the first of each text.
 *
 * @param tokens predictions that were looked at
 * @param crossEntropy of the model as it is, nats per token
 * @param crossEntropySae with reconstructions
 * @param crossEntropyZero with zeros in their place
 * @param crossEntropyMean with the mean of the vectors in their place
 * @param klSae mean KL divergence of the next-token distributions from the model's own, with reconstructions
 * @param klZero the same with zeros
 */
public record ModelMeasures(long tokens, double crossEntropy, double crossEntropySae, double crossEntropyZero, double crossEntropyMean,
    double klSae, double klZero) {
    /** (CE of zeros - CE of reconstructions) / (CE of zeros - CE of the model): 1 where nothing is lost. */
    public double recoveredFromZero() {
        return (crossEntropyZero - crossEntropySae) / (crossEntropyZero - crossEntropy);
    }

    /** The same with the mean in the place of zeros. */
    public double recoveredFromMean() {
        return (crossEntropyMean - crossEntropySae) / (crossEntropyMean - crossEntropy);
    }

    /** (KL of zeros - KL of reconstructions) / KL of zeros. */
    public double klScore() {
        return (klZero - klSae) / klZero;
    }
}
