package io.sails4j.model;

import io.sails4j.config.ModelConfig;
import io.sails4j.config.ModuleKey;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * What is trained of a model, in numbers: known without a device.
 *
 * @param full all parameters, else the low-rank factors
 * @param ranks of the adapted modules; empty for full training
 * @param variant of the adapter
 * @param coreDimensions for {@link Variant#CORE} the dimension r_s of each module's basis; else empty
 */
public record TrainedShape(boolean full, Map<ModuleKey, Integer> ranks, Variant variant, Map<ModuleKey, Integer> coreDimensions) {
    /**
     * An adapter of two factors, one with lengths of rows, one beside a frozen adapter of the same shape, or one whose residual-facing
     * factor is a fixed basis times a trained core.
     */
    public enum Variant {
        PLAIN, DORA, PISSA, CORE
    }

    public TrainedShape {
        ranks = Map.copyOf(ranks);
        coreDimensions = Map.copyOf(coreDimensions);
    }

    /** All parameters. */
    public static TrainedShape ofAll() {
        return new TrainedShape(true, Map.of(), Variant.PLAIN, Map.of());
    }

    /** Both factors of each module. */
    public static TrainedShape ofAdapter(Map<ModuleKey, Integer> ranks, Variant variant) {
        return new TrainedShape(false, ranks, variant, Map.of());
    }

    /** A core [r_s, r] and the free factor of each module. */
    public static TrainedShape ofCores(Map<ModuleKey, Integer> ranks, Map<ModuleKey, Integer> dimensions) {
        return new TrainedShape(false, ranks, Variant.CORE, dimensions);
    }

    /** Numbers that the optimizer changes. */
    public long parameterCount(ModelConfig config) {
        if (full) {
            return config.parameterCount();
        }
        return switch (variant) {
            case PLAIN, PISSA -> factorElements(config);
            case DORA -> factorElements(config) + ranks.keySet().stream().mapToLong(m -> m.projection().dOut(config)).sum();
            case CORE -> coreElements() + ranks.entrySet().stream()
                .mapToLong(e -> e.getValue() * (e.getKey().projection().readsResidual() ? e.getKey().projection().dOut(config)
                    : e.getKey().projection().dIn(config)))
                .sum();
        };
    }

    /** Of both factors of all modules. */
    long factorElements(ModelConfig config) {
        return ranks.entrySet().stream()
            .mapToLong(e -> e.getValue() * (e.getKey().projection().dIn(config) + e.getKey().projection().dOut(config))).sum();
    }

    long coreElements() {
        return coreDimensions.entrySet().stream().mapToLong(e -> (long) e.getValue() * ranks.getOrDefault(e.getKey(), 0)).sum();
    }

    /** Widths of the outputs of a layer's modules with DoRA. */
    IntStream doraWidths(ModelConfig config, int layer) {
        return variant != Variant.DORA ? IntStream.empty()
            : ranks.keySet().stream().filter(m -> m.layer() == layer).mapToInt(m -> (int) m.projection().dOut(config));
    }
}
