package io.sails4j.saetrain;

import java.nio.file.Path;
import java.util.List;

/**
 * What training came to.
 *
 * @param autoencoders one a layer
 * @param vectors that each was trained on
 * @param seconds of this process
 */
public record SaeTrainResult(List<Trained> autoencoders, long steps, long vectors, double seconds) {
    public SaeTrainResult {
        autoencoders = List.copyOf(autoencoders);
    }

    /**
     * One autoencoder.
     *
     * @param layer {@link ActivationSource#NO_LAYER} where it is not known
     * @param last means over the last steps
     * @param inputScale what the vectors were multiplied by while it was trained
     * @param path SAELens directory
     */
    public record Trained(int layer, SaeLosses last, double inputScale, Path path) {
    }
}
