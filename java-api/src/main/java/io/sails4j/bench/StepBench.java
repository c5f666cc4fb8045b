package io.sails4j.bench;

import io.sails4j.model.ModelConfig;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.tensor.DType;
import io.sails4j.train.Recompute;
import io.sails4j.train.StepBenchmark;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;

/** Whole optimizer steps with random weights, beside the measured product of matrices and the memory plan. */
final class StepBench {
    private final EngineOptions options;
    private final BenchSize size;
    private final Ceilings ceilings;

    StepBench(EngineOptions options, BenchSize size, Ceilings ceilings) {
        this.options = options;
        this.size = size;
        this.ceilings = ceilings;
    }

    /** @param layers of the models, 0 = all */
    void run(DType dtype, int layers, int steps, Consumer<Line> listener) {
        for (BenchSize.Model named : size.models()) {
            ModelConfig config = layers == 0 ? named.config() : named.config().withLayers(Math.min(layers, named.config().nLayers()));
            for (int length : size.stepLengths()) {
                for (Recompute recompute : List.of(Recompute.off(), Recompute.selective(), Recompute.full())) {
                    listener.accept(line(named.name(), config, dtype, length, false, recompute, steps));
                }
            }
            // All of a large model's weights in F32 with their gradients and moments do not fit onto one card.
            ModelConfig trained = config.withLayers(Math.min(size.fullyTrainedLayers(), config.nLayers()));
            listener.accept(line(named.name(), trained, dtype, size.stepLengths().getLast(), true, Recompute.off(), steps));
            listener.accept(line(named.name(), trained, dtype, size.stepLengths().getLast(), true, Recompute.full(), steps));
        }
    }

    private Line line(String name, ModelConfig config, DType dtype, int length, boolean full, Recompute recompute, int steps) {
        int sequences = Math.max(1, size.tokens() / length);
        // A device of its own, so that the peak of its memory is this step's.
        try (Engine engine = Engine.open(options)) {
            StepBenchmark.Result r = new StepBenchmark(engine, config, dtype, sequences, length).run(full, recompute, steps);
            double tokens = (double) sequences * length;
            double seconds = tokens / r.tokensPerSecond();
            double flops = r.flopsPerSecond() * seconds;
            double bytes = (double) config.parameterCount() * dtype.byteSize();
            Map<String, Double> more = new LinkedHashMap<>();
            more.put("tokens_per_s", r.tokensPerSecond());
            more.put("planned_bytes", (double) r.plannedBytes());
            more.put("peak_bytes", (double) r.peakBytes());
            String shape = name + ", " + config.nLayers() + " layers, " + sequences + " x " + length + ", " + (full ? "all weights" : "LoRA r 16")
                + switch (recompute.mode()) {
                    case OFF -> "";
                    default -> ", recomputation " + recompute.mode().name().toLowerCase(Locale.ROOT);
                };
            return new Line("step", "step", shape, dtype, seconds, flops, bytes, ceilings.share(dtype, flops, bytes, seconds), more);
        }
    }
}
