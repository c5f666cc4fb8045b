package io.sails4j.bench;

import io.sails4j.config.ModelConfig;
import io.sails4j.loop.TrainingFlops;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.tensor.DType;
import io.sails4j.train.RecomputeOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Whole optimizer steps with random weights, beside the measured product of matrices and the memory plan. */
final class StepBench {
    private final EngineOptions options;
    private final BenchSize size;

    StepBench(EngineOptions options, BenchSize size) {
        this.options = options;
        this.size = size;
    }

    /** @param layers of the models, 0 = all */
    List<Job> jobs(DType dtype, int layers, int steps) {
        return variants(layers).stream().map(variant -> new Job("step", variant.shape(size.tokens()), 1,
            (_, listener) -> listener.measured(line(variant, dtype, steps)))).toList();
    }

    private record Variant(String model, ModelConfig config, int length, boolean full, RecomputeOption recompute) {
        int sequences(int tokens) {
            return Math.max(1, tokens / length);
        }

        String shape(int tokens) {
            return model + ", " + config.nLayers() + " layers, " + sequences(tokens) + " x " + length + ", "
                + (full ? "all weights" : "LoRA r 16")
                + (recompute.mode() == RecomputeOption.Mode.OFF ? ""
                    : ", recomputation " + recompute.mode().name().toLowerCase(Locale.ROOT));
        }
    }

    private List<Variant> variants(int layers) {
        List<Variant> variants = new ArrayList<>();
        for (BenchSize.Model named : size.models()) {
            ModelConfig config = named.config(layers);
            for (int length : size.steps().lengths()) {
                for (RecomputeOption recompute : size.steps().recomputations()) {
                    variants.add(new Variant(named.name(), config, length, false, recompute));
                }
            }
            // All of a large model's weights with their gradients and moments do not fit onto one card.
            ModelConfig trained = config.withLayers(Math.min(size.steps().fullyTrainedLayers(), config.nLayers()));
            // A step of all weights has none or all of it computed again.
            for (RecomputeOption recompute : size.steps().recomputations().stream().filter(r -> r.mode() != RecomputeOption.Mode.SELECTIVE)
                .toList()) {
                variants.add(new Variant(named.name(), trained, size.steps().lengths().getLast(), true, recompute));
            }
        }
        return variants;
    }

    private BenchResult line(Variant v, DType dtype, int steps) {
        int sequences = v.sequences(size.tokens());
        // A device of its own, so that the peak of its memory is this step's.
        try (Engine engine = Engine.open(options)) {
            StepBenchmark.Result r = new StepBenchmark(engine, v.config(), dtype, sequences, v.length()).run(v.full(), v.recompute(),
                steps);
            double tokens = (double) sequences * v.length();
            Times times = Times.best(r.tokensPerSecond().stream().mapToDouble(rate -> tokens / rate).toArray());
            double flops = TrainingFlops.step(v.config(), v.length(), v.full(), 0) * tokens;
            double bytes = (double) v.config().parameterCount() * dtype.byteSize();
            Map<String, Double> more = new LinkedHashMap<>();
            more.put("tokens_per_s", tokens / times.seconds());
            more.put("planned_bytes", (double) r.plannedBytes());
            more.put("peak_bytes", (double) r.peakBytes());
            return new BenchResult("step", "step", v.shape(size.tokens()), dtype, times, flops, bytes, 0, more);
        }
    }
}
