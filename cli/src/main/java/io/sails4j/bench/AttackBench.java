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

/** Candidates of a suffix evaluated behind their shared prefix, as {@code sails attack gcg} does it, beside the same as whole sequences. */
final class AttackBench {
    private static final int CANDIDATES = 32;
    /** A template's beginning and a request; a suffix of 20 tokens, the end of the turn and the target behind it. */
    private static final int PREFIX_TOKENS = 40;
    private static final int OTHER_TOKENS = 40;
    private static final int TARGET_TOKENS = 12;

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
            ModelConfig config = layers == 0 ? named.config() : named.config().withLayers(Math.min(layers, named.config().nLayers()));
            String shape = named.name() + ", " + config.nLayers() + " layers, " + CANDIDATES + " candidates";
            listener.unlessTooLarge("attack, " + shape, () -> {
                try (CausalModel model = new CausalModel(engine, ModelWeights.random(config, engine, dtype, 1), false);
                     ModelSession session = ModelSession.open(model)) {
                    BenchResult whole = line(session, shape, dtype, false, Double.NaN);
                    listener.measured(whole);
                    listener.measured(line(session, shape, dtype, true, whole.seconds()));
                }
            });
        }
    }

    private BenchResult line(ModelSession session, String shape, DType dtype, boolean shared, double wholeSeconds) {
        ModelConfig config = session.model().config();
        int vocab = Math.toIntExact(config.vocabSize());
        int[] prefix = shared ? new SplittableRandom(1).ints(PREFIX_TOKENS, 0, vocab).toArray() : new int[0];
        int each = shared ? OTHER_TOKENS : PREFIX_TOKENS + OTHER_TOKENS;
        int[] first = new SplittableRandom(2).ints(each, 0, vocab).toArray();
        List<int[]> candidates = new ArrayList<>();
        for (int i = 0; i < CANDIDATES; i++) {
            int[] candidate = Arrays.copyOf(first, each);
            candidate[each - OTHER_TOKENS + i % (OTHER_TOKENS / 2)] = i % vocab;
            candidates.add(candidate);
        }
        double seconds;
        try (PrefixLosses losses = new PrefixLosses(session, AdapterStack.none(), prefix, CANDIDATES, each)) {
            seconds = new Timer(engine, size).secondsUnrecorded(() -> losses.losses(candidates, TARGET_TOKENS));
        }
        double flops = CANDIDATES * (each * TrainingFlops.linear(config) + TARGET_TOKENS * TrainingFlops.head(config));
        double bytes = (double) config.parameterCount() * dtype.byteSize();
        Map<String, Double> more = new LinkedHashMap<>();
        more.put("candidates_per_s", CANDIDATES / seconds);
        if (shared) {
            more.put("faster_than_whole", wholeSeconds / seconds);
            more.put("tokens_of_whole", (double) (PREFIX_TOKENS + OTHER_TOKENS) / OTHER_TOKENS);
        }
        return new BenchResult("attack", shared ? "candidates behind a prefix of " + PREFIX_TOKENS : "candidates as whole sequences",
            shape + " of " + each + " tokens", dtype, seconds, flops, bytes, ceilings.share(dtype, flops, bytes, seconds), more);
    }
}
