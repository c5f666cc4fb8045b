package io.sails4j.bench;

import io.sails4j.config.ModelConfig;
import java.util.List;
import java.util.Optional;

/**
 * How large everything is, and how long it is timed.
 *
 * @param models whose layers the shapes are taken from, by name
 * @param tokens of a batch
 * @param lengths of sequences in attention
 * @param stepLengths of sequences in training
 * @param fullyTrainedLayers of a model all of whose weights are trained, at most
 * @param saeWidths features of the autoencoders
 * @param copyBytes of the copy that memory is measured with
 * @param rotateBytes a kernel's buffers change until they hold so many, more than any cache
 * @param queueSeconds of work between two waits, at least
 * @param decodeTokens new tokens of a sequence
 */
public record BenchSize(List<Model> models, int tokens, List<Integer> lengths, List<Integer> stepLengths, int fullyTrainedLayers,
    List<Integer> saeWidths, long copyBytes, long rotateBytes, double queueSeconds, int mostQueues, int repeats, int decodeTokens) {
    /** A model and its short name. */
    public record Model(String name, ModelConfig config) {
        /** With so many layers at most; 0 = all. */
        ModelConfig config(int layers) {
            return layers == 0 ? config : config.withLayers(Math.min(layers, config.nLayers()));
        }
    }

    /** {@code 2b} or {@code 9b}; empty where there is no such model. */
    public static Optional<Model> model(String name) {
        return switch (name) {
            case "2b" -> Optional.of(new Model("2B", ModelConfig.gemma2_2b()));
            case "9b" -> Optional.of(new Model("9B", ModelConfig.gemma2_9b()));
            default -> Optional.empty();
        };
    }

    /** The published models' shapes, for GPUs. */
    public static BenchSize full(List<Model> models) {
        return new BenchSize(models, 4096, List.of(1024, 4096), List.of(2048, 4096), 8, List.of(16_384, 65_536), 1L << 30, 256L << 20, 0.03,
            4096, 5,
            64);
    }

    /** The same operations on shapes that a CPU and the emulator do in seconds. */
    public static BenchSize quick() {
        ModelConfig tiny = ModelConfig.gemma2().vocabSize(512).dModel(64).layers(2).heads(4, 2).headDim(16).dFf(128).slidingWindow(16)
            .build();
        return new BenchSize(List.of(new Model("tiny", tiny)), 32, List.of(16, 32), List.of(32), 2, List.of(512), 1L << 20, 1L << 16,
            0.0005, 4, 3, 4);
    }

    /** With other batches: so many tokens, in sequences of each of these lengths for training. */
    public BenchSize withBatches(int newTokens, List<Integer> newStepLengths) {
        return new BenchSize(models, newTokens, lengths, newStepLengths, fullyTrainedLayers, saeWidths, copyBytes, rotateBytes,
            queueSeconds, mostQueues,
            repeats, decodeTokens);
    }

    /** With another vocabulary in every model. */
    public BenchSize withVocabulary(long vocabulary) {
        return new BenchSize(models.stream().map(m -> new Model(m.name(), m.config().withVocabulary(vocabulary))).toList(), tokens, lengths,
            stepLengths,
            fullyTrainedLayers, saeWidths, copyBytes, rotateBytes, queueSeconds, mostQueues, repeats, decodeTokens);
    }
}
