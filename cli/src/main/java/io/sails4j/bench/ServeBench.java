package io.sails4j.bench;

import io.sails4j.align.AdapterOptions;
import io.sails4j.config.ModelConfig;
import io.sails4j.loop.TrainingFlops;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CacheUse;
import io.sails4j.model.CausalModel;
import io.sails4j.model.GenerationOptions;
import io.sails4j.model.ModelWeights;
import io.sails4j.ops.Engine;
import io.sails4j.serving.Completion;
import io.sails4j.serving.CompletionRequest;
import io.sails4j.serving.Finish;
import io.sails4j.serving.Scheduler;
import io.sails4j.serving.SchedulerOptions;
import io.sails4j.tensor.DType;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.LongAccumulator;

/**
 * Many requests behind one scheduler, as {@code sails serve} answers them: one at a time, all at once by the model alone, by one adapter
 * and by several in turn, and as they come, at shares of what all at once by the model alone reached. Requests come at random moments
 * whether others are answered or not (an open loop, exponential waits), so that a server that falls behind shows it.
 */
final class ServeBench {
    private static final double[] LOADS = {0.3, 0.6, 0.9};
    private static final int[] ADAPTERS = {1, 4};
    private static final int RANK = 16;
    private static final int SEQUENCES = 16;
    private static final int FEWEST_REQUESTS = 8;
    private static final double NANO = 1e-9;

    private final BenchSize size;

    ServeBench(BenchSize size) {
        this.size = size;
    }

    /** @param layers of the models, 0 = all */
    List<Job> jobs(DType dtype, int layers) {
        List<Job> jobs = new ArrayList<>();
        for (BenchSize.Model named : size.models()) {
            ModelConfig config = named.config(layers);
            String shape = named.name() + ", " + config.nLayers() + " layers";
            jobs.add(new Job("serve", shape, 2 + ADAPTERS.length + LOADS.length, (engine, listener) -> {
                SchedulerOptions options = new SchedulerOptions(SEQUENCES, promptTokens() + size.decodeTokens(), 0,
                    Math.max(1, promptTokens() / 2), requests());
                try (CausalModel model = new CausalModel(engine, ModelWeights.random(config, engine, dtype, 1), false);
                     Scheduler scheduler = Scheduler.open(model, options)) {
                    measure(engine, scheduler, config, shape, dtype, listener);
                }
            }));
        }
        return jobs;
    }

    private int promptTokens() {
        return 2 * size.decodeTokens();
    }

    private int requests() {
        return Math.max(FEWEST_REQUESTS, size.decodeTokens());
    }

    private void measure(Engine engine, Scheduler scheduler, ModelConfig config, String shape, DType dtype, BenchListener listener) {
        List<AdapterStack> none = List.of(AdapterStack.none());
        answered(scheduler, config, none, new double[2]);
        double[] alone = new double[Math.max(2, requests() / 8)];
        Arrays.fill(alone, -1);
        listener.measured(line(config, dtype, "one at a time", shape, answered(scheduler, config, none, alone)));
        Answered together = answered(scheduler, config, none, new double[requests()]);
        listener.measured(line(config, dtype, "all at once", shape, together));
        for (double load : LOADS) {
            SplittableRandom random = new SplittableRandom(7);
            double rate = load * requests() / together.seconds;
            double[] at = new double[requests()];
            for (int i = 1; i < at.length; i++) {
                at[i] = at[i - 1] - Math.log(1 - random.nextDouble()) / rate;
            }
            listener.measured(line(config, dtype, Math.round(100 * load) + " % of that", shape, answered(scheduler, config, none, at)));
        }
        byAdapters(engine, scheduler, config, shape, dtype, listener);
    }

    /** All at once, each request by the next of some adapters. */
    private void byAdapters(Engine engine, Scheduler scheduler, ModelConfig config, String shape, DType dtype, BenchListener listener) {
        List<LoraAdapter> adapters = new ArrayList<>();
        try {
            for (int count : ADAPTERS) {
                while (adapters.size() < count) {
                    adapters.add(LoraAdapter.create(AdapterOptions.ofAttention(RANK).config(config, "bench"), config, engine.device()));
                }
                List<AdapterStack> stacks = adapters.stream().map(adapter -> AdapterStack.of(adapter.modules())).toList();
                answered(scheduler, config, stacks, new double[count]);
                listener.measured(line(config, dtype, "all at once, " + count + (count == 1 ? " adapter" : " adapters"), shape,
                    answered(scheduler, config, stacks, new double[requests()])));
            }
        } finally {
            // A request that failed leaves others under way, which use them.
            scheduler.close();
            adapters.forEach(LoraAdapter::close);
        }
    }

    /**
     * Seconds from a request to its first token, and from each token to the next.
     *
     * @param cacheBytes the most that keys and values took, of sequences under way
     * @param allBytes what they would take for as many sequences as may run, each at its longest
     */
    private record Answered(double seconds, int requests, double[] first, double[] next, long cacheBytes, long allBytes) {
    }

    /** @param at when each request comes, in seconds; negative: when the one before has ended */
    private Answered answered(Scheduler scheduler, ModelConfig config, List<AdapterStack> adapters, double[] at) {
        LongAccumulator pages = new LongAccumulator(Math::max, 0);
        SplittableRandom random = new SplittableRandom(3);
        List<Future<double[]>> times = new ArrayList<>();
        long start = System.nanoTime();
        try (ExecutorService readers = Executors.newVirtualThreadPerTaskExecutor()) {
            for (double moment : at) {
                int[] prompt = random.ints(promptTokens(), 0, Math.toIntExact(config.vocabSize())).toArray();
                if (moment > 0) {
                    Thread.sleep(Duration.ofNanos(Math.max(0, (long) (moment / NANO) - (System.nanoTime() - start))));
                }
                long begun = System.nanoTime();
                Completion completion = scheduler.submit(new CompletionRequest(prompt,
                    GenerationOptions.greedy(size.decodeTokens(), Set.of()), adapters.get(times.size() % adapters.size()), null));
                times.add(readers.submit(() -> times(completion, begun, () -> pages.accumulate(scheduler.state().cache().used()))));
                if (moment < 0) {
                    times.getLast().get();
                }
            }
            List<double[]> all = new ArrayList<>();
            for (Future<double[]> one : times) {
                all.add(one.get());
            }
            CacheUse use = scheduler.state().cache();
            return new Answered((System.nanoTime() - start) * NANO, at.length, all.stream().mapToDouble(t -> t[0]).sorted().toArray(),
                all.stream().flatMapToDouble(t -> Arrays.stream(t).skip(1)).sorted().toArray(), pages.get() * use.pageBytes(),
                use.most() * use.pageBytes());
        } catch (InterruptedException | ExecutionException e) {
            throw new IllegalStateException("a request was not answered", e);
        }
    }

    private static double[] times(Completion completion, long begun, Runnable atToken) throws InterruptedException {
        List<Double> times = new ArrayList<>();
        long last = begun;
        while (completion.next() >= 0) {
            long now = System.nanoTime();
            times.add((now - last) * NANO);
            last = now;
            atToken.run();
        }
        if (completion.await().finish() != Finish.LENGTH) {
            throw new IllegalStateException("a request was not answered to its end", completion.await().failure());
        }
        return times.stream().mapToDouble(t -> t).toArray();
    }

    private BenchResult line(ModelConfig config, DType dtype, String operation, String shape, Answered run) {
        int tokens = run.requests * size.decodeTokens();
        double flops = run.requests * (promptTokens() + size.decodeTokens()) * TrainingFlops.linear(config)
            + tokens * TrainingFlops.head(config);
        // Each answer takes at least so many steps, and one step reads all weights.
        double bytes = (double) config.parameterCount() * dtype.byteSize() * size.decodeTokens();
        Map<String, Double> more = new LinkedHashMap<>();
        more.put("tokens_per_s", tokens / run.seconds);
        more.put("first_token_p50_s", quantile(run.first, 0.5));
        more.put("first_token_p99_s", quantile(run.first, 0.99));
        more.put("next_token_p50_s", quantile(run.next, 0.5));
        more.put("next_token_p99_s", quantile(run.next, 0.99));
        more.put("planned_bytes", (double) run.allBytes);
        more.put("peak_bytes", (double) run.cacheBytes);
        return new BenchResult("serve", operation, shape + ", " + run.requests + " requests of " + promptTokens() + " + "
            + size.decodeTokens() + " tokens", dtype, Times.median(run.seconds), flops, bytes, 0,
            more);
    }

    /** The smallest that so large a share is not above. */
    private static double quantile(double[] sorted, double share) {
        return sorted.length == 0 ? 0 : sorted[(int) Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
    }
}
