package io.sails4j.bench;

import io.sails4j.config.ModelConfig;
import io.sails4j.loop.TrainingFlops;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelSession;
import io.sails4j.model.ModelWeights;
import io.sails4j.model.PrefixLosses;
import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/** Candidates of a suffix evaluated behind their shared prefix, as {@code sails attack gcg} does it, beside the same as whole sequences. */
final class AttackBench {
    private static final int MOST_CANDIDATES = 32;
    private static final int FEWEST_CANDIDATES = 8;
    /** A template's beginning and a request; a suffix of 20 tokens, the end of the turn and the target behind it. */
    private static final int PREFIX_TOKENS = 40;
    private static final int OTHER_TOKENS = 40;
    private static final int TARGET_TOKENS = 12;
    private static final double NANO = 1e-9;

    private final BenchSize size;

    AttackBench(BenchSize size) {
        this.size = size;
    }

    /** @param layers of the models, 0 = all */
    List<Job> jobs(DType dtype, int layers) {
        List<Job> jobs = new ArrayList<>();
        for (BenchSize.Model named : size.models()) {
            ModelConfig config = named.config(layers);
            String shape = named.name() + ", " + config.nLayers() + " layers, " + candidates() + " candidates";
            jobs.add(new Job("attack", shape, 2, (engine, listener) -> {
                try (CausalModel model = new CausalModel(engine, ModelWeights.random(config, engine, dtype, 1), false);
                     ModelSession session = ModelSession.open(model)) {
                    measure(session, shape, dtype).forEach(listener::measured);
                }
            }));
        }
        return jobs;
    }

    private int candidates() {
        return Math.clamp(size.tokens() / MOST_CANDIDATES, FEWEST_CANDIDATES, MOST_CANDIDATES);
    }

    /** Both ways by turns, so that what else the machine does slows both; the medians count. */
    private List<BenchResult> measure(ModelSession session, String shape, DType dtype) {
        int vocab = Math.toIntExact(session.model().config().vocabSize());
        int[] prefix = new SplittableRandom(1).ints(PREFIX_TOKENS, 0, vocab).toArray();
        int[] other = new SplittableRandom(2).ints(OTHER_TOKENS, 0, vocab).toArray();
        List<int[]> candidates = new ArrayList<>();
        List<int[]> sequences = new ArrayList<>();
        for (int i = 0; i < candidates(); i++) {
            int[] candidate = other.clone();
            candidate[i % (OTHER_TOKENS / 2)] = i % vocab;
            candidates.add(candidate);
            sequences.add(IntStream.concat(Arrays.stream(prefix), Arrays.stream(candidate)).toArray());
        }
        double[] whole = new double[size.timing().repeats()];
        double[] shared;
        try (PrefixLosses behind = new PrefixLosses(session, AdapterStack.none(), prefix, candidates(), OTHER_TOKENS);
             PrefixLosses plain = new PrefixLosses(session, AdapterStack.none(), new int[0], candidates(), PREFIX_TOKENS + OTHER_TOKENS)) {
            seconds(behind, candidates);
            seconds(plain, sequences);
            int[] repeat = new int[1];
            shared = Timer.repeated(size.timing(), size.timing().repeats(), () -> {
                whole[repeat[0]++] = seconds(plain, sequences);
                return seconds(behind, candidates);
            });
        }
        Times sharedTimes = Times.median(shared);
        Times wholeTimes = Times.median(Arrays.copyOf(whole, shared.length));
        return List.of(
            line(session, "candidates as whole sequences", shape, PREFIX_TOKENS + OTHER_TOKENS, dtype, wholeTimes, Map.of()),
            line(session, "candidates behind a prefix of " + PREFIX_TOKENS, shape, OTHER_TOKENS, dtype, sharedTimes,
                Map.of("faster_than_whole", wholeTimes.seconds() / sharedTimes.seconds(), "tokens_of_whole",
                    (double) (PREFIX_TOKENS + OTHER_TOKENS) / OTHER_TOKENS)));
    }

    /** The losses come to the host, so that nothing is queued any more. */
    private static double seconds(PrefixLosses losses, List<int[]> candidates) {
        long start = System.nanoTime();
        losses.losses(candidates, TARGET_TOKENS);
        return Math.max(NANO, (System.nanoTime() - start) * NANO);
    }

    private BenchResult line(ModelSession session, String operation, String shape, int each, DType dtype, Times times,
        Map<String, Double> compared) {
        ModelConfig config = session.model().config();
        double flops = candidates() * (each * TrainingFlops.linear(config) + TARGET_TOKENS * TrainingFlops.head(config));
        double bytes = (double) config.parameterCount() * dtype.byteSize();
        Map<String, Double> more = new LinkedHashMap<>(compared);
        more.put("candidates_per_s", candidates() / times.seconds());
        return new BenchResult("attack", operation, shape + " of " + each + " tokens", dtype, times, flops, bytes, 0,
            more);
    }
}
