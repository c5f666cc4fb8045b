package io.sails4j.bench;

import io.sails4j.config.ModelConfig;
import io.sails4j.loop.TrainingFlops;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelSession;
import io.sails4j.model.ModelWeights;
import io.sails4j.model.PrefixLosses;
import io.sails4j.ops.Engine;
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
    private static final int CANDIDATES = 32;
    /** A template's beginning and a request; a suffix of 20 tokens, the end of the turn and the target behind it. */
    private static final int PREFIX_TOKENS = 40;
    private static final int OTHER_TOKENS = 40;
    private static final int TARGET_TOKENS = 12;
    private static final double NANO = 1e-9;

    private final Engine engine;
    private final BenchSize size;
    private final Ceilings ceilings;

    AttackBench(Engine engine, BenchSize size, Ceilings ceilings) {
        this.engine = engine;
        this.size = size;
        this.ceilings = ceilings;
    }

    /** @param layers of the models, 0 = all */
    void run(DType dtype, int layers, BenchListener listener) {
        for (BenchSize.Model named : size.models()) {
            ModelConfig config = named.config(layers);
            String shape = named.name() + ", " + config.nLayers() + " layers, " + CANDIDATES + " candidates";
            listener.unlessTooLarge("attack, " + shape, () -> {
                try (CausalModel model = new CausalModel(engine, ModelWeights.random(config, engine, dtype, 1), false);
                     ModelSession session = ModelSession.open(model)) {
                    measure(session, shape, dtype).forEach(listener::measured);
                }
            });
        }
    }

    /** Both ways by turns, so that what else the machine does slows both; the medians count. */
    private List<BenchResult> measure(ModelSession session, String shape, DType dtype) {
        int vocab = Math.toIntExact(session.model().config().vocabSize());
        int[] prefix = new SplittableRandom(1).ints(PREFIX_TOKENS, 0, vocab).toArray();
        int[] other = new SplittableRandom(2).ints(OTHER_TOKENS, 0, vocab).toArray();
        List<int[]> candidates = new ArrayList<>();
        List<int[]> sequences = new ArrayList<>();
        for (int i = 0; i < CANDIDATES; i++) {
            int[] candidate = other.clone();
            candidate[i % (OTHER_TOKENS / 2)] = i % vocab;
            candidates.add(candidate);
            sequences.add(IntStream.concat(Arrays.stream(prefix), Arrays.stream(candidate)).toArray());
        }
        double[] shared = new double[size.repeats()];
        double[] whole = new double[size.repeats()];
        try (PrefixLosses behind = new PrefixLosses(session, AdapterStack.none(), prefix, CANDIDATES, OTHER_TOKENS);
             PrefixLosses plain = new PrefixLosses(session, AdapterStack.none(), new int[0], CANDIDATES, PREFIX_TOKENS + OTHER_TOKENS)) {
            seconds(behind, candidates);
            seconds(plain, sequences);
            for (int repeat = 0; repeat < shared.length; repeat++) {
                shared[repeat] = seconds(behind, candidates);
                whole[repeat] = seconds(plain, sequences);
            }
        }
        double sharedSeconds = Timer.median(shared);
        double wholeSeconds = Timer.median(whole);
        return List.of(
            line(session, "candidates as whole sequences", shape, PREFIX_TOKENS + OTHER_TOKENS, dtype, wholeSeconds, Map.of()),
            line(session, "candidates behind a prefix of " + PREFIX_TOKENS, shape, OTHER_TOKENS, dtype, sharedSeconds,
                Map.of("faster_than_whole", wholeSeconds / sharedSeconds, "tokens_of_whole",
                    (double) (PREFIX_TOKENS + OTHER_TOKENS) / OTHER_TOKENS)));
    }

    /** The losses come to the host, so that nothing is queued any more. */
    private static double seconds(PrefixLosses losses, List<int[]> candidates) {
        long start = System.nanoTime();
        losses.losses(candidates, TARGET_TOKENS);
        return Math.max(NANO, (System.nanoTime() - start) * NANO);
    }

    private BenchResult line(ModelSession session, String operation, String shape, int each, DType dtype, double seconds,
        Map<String, Double> compared) {
        ModelConfig config = session.model().config();
        double flops = CANDIDATES * (each * TrainingFlops.linear(config) + TARGET_TOKENS * TrainingFlops.head(config));
        double bytes = (double) config.parameterCount() * dtype.byteSize();
        Map<String, Double> more = new LinkedHashMap<>(compared);
        more.put("candidates_per_s", CANDIDATES / seconds);
        return new BenchResult("attack", operation, shape + " of " + each + " tokens", dtype, seconds, flops, bytes,
            ceilings.share(dtype, flops, bytes, seconds), more);
    }
}
