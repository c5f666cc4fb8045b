package io.sails4j.bench;

import io.sails4j.config.ModelConfig;
import io.sails4j.train.RecomputeOption;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * How large everything is, and how long it is timed.
 *
 * @param models whose layers the shapes are taken from, by name
 * @param tokens of a batch
 * @param lengths of sequences in attention
 * @param steps of which lengths and kinds
 * @param saeWidths features of the autoencoders
 * @param decodeTokens new tokens of a sequence
 * @param timing how long
 */
public record BenchSize(List<Model> models, int tokens, List<Integer> lengths, Steps steps, List<Integer> saeWidths, int decodeTokens,
    Timing timing) {
    /** Layers of a model on a CPU, one local and one global. */
    public static final int CPU_LAYERS = 2;
    private static final int CPU_VOCABULARY = 16_384;

    /** A model and its short name. */
    public record Model(String name, ModelConfig config) {
        /** With so many layers at most; 0 = all. */
        ModelConfig config(int layers) {
            return layers == 0 ? config : config.withLayers(Math.min(layers, config.nLayers()));
        }
    }

    /**
     * The training steps.
     *
     * @param lengths of sequences
     * @param recomputations that LoRA is trained with, each
     * @param fullyTrainedLayers of a model all of whose weights are trained, at most
     * @param widestWithoutCount features of autoencoders half of whose features are active at the start (gated and standard), at most:
     *        wider ones take minutes
     */
    public record Steps(List<Integer> lengths, List<RecomputeOption> recomputations, int fullyTrainedLayers, int widestWithoutCount) {
    }

    /**
     * How long everything is timed.
     *
     * @param copyBytes of the copy that memory is measured with
     * @param rotateBytes a kernel's buffers change until they hold so many, more than any cache
     * @param queueSeconds of work between two waits, at least
     * @param mostQueues calls between two waits, at most
     * @param repeats of which the median counts
     * @param rowSeconds after which no further repetition begins, where there are three
     */
    public record Timing(long copyBytes, long rotateBytes, double queueSeconds, int mostQueues, int repeats, double rowSeconds) {
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
        return new BenchSize(models, 4096, List.of(1024, 4096),
            new Steps(List.of(2048, 4096), List.of(RecomputeOption.off(), RecomputeOption.selective(), RecomputeOption.full()), 8,
                16_384),
            List.of(16_384, 65_536), 64, new Timing(1L << 30, 256L << 20, 0.03, 4096, 5, Double.POSITIVE_INFINITY));
    }

    /**
     * The published models' layers with few tokens and a cut vocabulary: all groups of one model end within about two minutes on two cores
     * with AVX-512.
     */
    public static BenchSize cpu(List<Model> models) {
        return new BenchSize(models, 256, List.of(256),
            new Steps(List.of(256), List.of(RecomputeOption.off(), RecomputeOption.selective()), 1, 512), List.of(16_384), 8,
            new Timing(256L << 20, 64L << 20, 0.02, 4096, 7, 0.25)).withVocabulary(CPU_VOCABULARY);
    }

    /** The same operations on shapes that a CPU and the emulator do in seconds. */
    public static BenchSize quick() {
        ModelConfig tiny = ModelConfig.gemma2().vocabSize(512).dModel(64).layers(2).heads(4, 2).headDim(16).dFf(128).slidingWindow(16)
            .build();
        return new BenchSize(List.of(new Model("tiny", tiny)), 32, List.of(16, 32),
            new Steps(List.of(32), List.of(RecomputeOption.off(), RecomputeOption.selective(), RecomputeOption.full()), 2, 512),
            List.of(512), 4,
            new Timing(1L << 20, 1L << 16, 0.0005, 4, 3, Double.POSITIVE_INFINITY));
    }

    /** With other batches: so many tokens, in sequences of each of these lengths for training. */
    public BenchSize withBatches(int newTokens, List<Integer> newStepLengths) {
        return new BenchSize(models, newTokens, lengths,
            new Steps(newStepLengths, steps.recomputations, steps.fullyTrainedLayers, steps.widestWithoutCount),
            saeWidths, decodeTokens, timing);
    }

    /** With another vocabulary in every model. */
    public BenchSize withVocabulary(long vocabulary) {
        return new BenchSize(models.stream().map(m -> new Model(m.name(), m.config().withVocabulary(vocabulary))).toList(), tokens, lengths,
            steps, saeWidths, decodeTokens, timing);
    }

    /** What rows of the same name must have in common to be compared, for people: models, batches and lengths. */
    public String describe() {
        String named = models.stream().map(m -> m.name() + " with a vocabulary of " + m.config().vocabSize())
            .collect(Collectors.joining(", "));
        return String.format(Locale.ROOT, "%s; %d tokens, attention over %s, steps of %s, SAEs of %s", named, tokens, joined(lengths),
            joined(steps.lengths), joined(saeWidths));
    }

    private static String joined(List<Integer> numbers) {
        return numbers.stream().map(String::valueOf).collect(Collectors.joining(" and "));
    }
}
