package io.sails4j.bench;

import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.tensor.DType;
import java.util.List;
import java.util.stream.Stream;

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
     * @param layers of the models, 0 = all, and in the group {@code layer} the mean of four
     * @param steps that are timed after one that warms up
     */
    public Benchmarks(EngineOptions options, BenchSize size, DType dtype, int layers, int steps) {
        this.options = options;
        this.size = size;
        this.dtype = dtype;
        this.layers = layers;
        this.steps = steps;
    }

    /** Runs the groups one after the other, each on an engine of its own. */
    public void run(List<String> groups, Ceilings ceilings, BenchListener listener) {
        List<List<Job>> jobs = groups.stream().map(group -> jobs(group, ceilings)).toList();
        int rows = jobs.stream().flatMap(List::stream).mapToInt(Job::rows).sum();
        int before = 0;
        for (List<Job> group : jobs) {
            try (Engine engine = Engine.open(options)) {
                for (Job job : group) {
                    listener.measuring(job.group() + ", " + job.what(), before, rows);
                    job.run(engine, listener);
                    before += job.rows();
                }
            }
        }
    }

    private List<Job> jobs(String group, Ceilings ceilings) {
        return switch (group) {
            case "kernels" -> new KernelBench(size).jobs(dtype);
            case "layer" -> new LayerBench(size).jobs(dtype, layers);
            case "step" -> new StepBench(options, size).jobs(dtype, layers, steps);
            case "decode" -> new DecodeBench(size).jobs(dtype, layers);
            case "sae" -> Stream.concat(new KernelBench(size).jobsOfAutoencoders(dtype).stream(),
                new SaeStepBench(size, ceilings).jobs(steps).stream()).toList();
            case "attack" -> new AttackBench(size).jobs(dtype, layers);
            case "serve" -> new ServeBench(size).jobs(dtype, layers);
            case "monitor" -> new MonitorBench(size).jobs(dtype, layers);
            default -> throw new IllegalArgumentException("there is no group '" + group + "', expected some of " + GROUPS);
        };
    }
}
