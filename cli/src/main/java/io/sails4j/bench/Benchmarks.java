package io.sails4j.bench;

import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.tensor.DType;
import java.util.List;

/** The groups of benchmarks, run one after the other on one backend. */
public final class Benchmarks {
    /** In the order in which {@code all} runs them. */
    public static final List<String> GROUPS = List.of("kernels", "layer", "step", "decode", "sae", "attack", "serve", "monitor");

    private final EngineOptions options;
    private final BenchSize size;
    private final DType dtype;
    private final int layers;
    private final int steps;

    /**
     * @param dtype of weights and of what enters a product
     * @param layers of the models in whole steps and in decoding, 0 = all
     * @param steps that are timed after one that warms up
     */
    public Benchmarks(EngineOptions options, BenchSize size, DType dtype, int layers, int steps) {
        this.options = options;
        this.size = size;
        this.dtype = dtype;
        this.layers = layers;
        this.steps = steps;
    }

    public void run(List<String> groups, Ceilings ceilings, BenchListener listener) {
        for (String group : groups) {
            if (group.equals("step")) {
                new StepBench(options, size, ceilings).run(dtype, layers, steps, listener);
                continue;
            }
            try (Engine engine = Engine.open(options)) {
                switch (group) {
                    case "kernels" -> new KernelBench(engine, size, ceilings).run(dtype, listener);
                    case "layer" -> new LayerBench(engine, size, ceilings).run(dtype, listener);
                    case "decode" -> new DecodeBench(engine, size, ceilings).run(dtype, layers, listener);
                    case "sae" -> {
                        new KernelBench(engine, size, ceilings).runAutoencoders(dtype, listener);
                        new SaeStepBench(engine, size, ceilings).run(steps, listener);
                    }
                    case "attack" -> new AttackBench(engine, size, ceilings).run(dtype, layers, listener);
                    case "monitor" -> new MonitorBench(engine, size, ceilings).run(dtype, layers, listener);
                    case "serve" -> new ServeBench(engine, size, ceilings).run(dtype, layers, listener);
                    default -> throw new IllegalArgumentException("there is no group '" + group + "', expected some of " + GROUPS);
                }
            }
        }
    }
}
