package io.sails4j.bench;

import io.sails4j.config.ModelConfig;
import io.sails4j.files.AtomicFiles;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.BatchDecoder;
import io.sails4j.model.BatchOptions;
import io.sails4j.model.CausalModel;
import io.sails4j.model.DecodeRequest;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.GenerationOptions;
import io.sails4j.model.ModelSession;
import io.sails4j.model.ModelWeights;
import io.sails4j.model.Site;
import io.sails4j.model.TokenBatch;
import io.sails4j.monitor.Action;
import io.sails4j.monitor.Monitor;
import io.sails4j.monitor.MonitorSpec;
import io.sails4j.monitor.Part;
import io.sails4j.monitor.Rule;
import io.sails4j.monitor.Signal;
import io.sails4j.monitor.Trigger;
import io.sails4j.ops.Engine;
import io.sails4j.ops.Graphs;
import io.sails4j.sae.Sae;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * What a monitor of one layer adds to a decoded token: 64 features of an autoencoder, and all of them. The three are decoded by turns,
 * round after round, and each addition is the median of the rounds' differences.
 */
final class MonitorBench {
    private static final int PROMPT_TOKENS = 16;
    private static final int FEATURES = 64;
    private static final int ROUNDS = 7;
    /** Standard deviations of the encoder's products past which a feature is active: about one in 160. */
    private static final float ACTIVE_FROM = 2.5f;
    private static final double NANO = 1e-9;

    private final BenchSize size;

    MonitorBench(BenchSize size) {
        this.size = size;
    }

    /** @param layers of the models, 0 = all */
    List<Job> jobs(DType dtype, int layers) {
        List<Job> jobs = new ArrayList<>();
        int width = size.saeWidths().getFirst();
        for (BenchSize.Model named : size.models()) {
            ModelConfig config = named.config(layers);
            jobs.add(new Job("monitor", named.name() + ", " + config.nLayers() + " layers", 3, (engine, listener) -> {
                try (CausalModel model = new CausalModel(engine, ModelWeights.random(config, engine, dtype, 1), false);
                     ModelSession session = ModelSession.open(model)) {
                    run(engine, named.name(), session, dtype, width, listener);
                }
            }));
        }
        return jobs;
    }

    private void run(Engine engine, String name, ModelSession session, DType dtype, int width, BenchListener listener) {
        Path directory = null;
        try {
            directory = Files.createTempDirectory("sails-bench-sae");
            int layer = session.model().config().nLayers() / 2;
            write(directory, (int) session.model().config().dModel(), width, streamSize(session, layer));
            try (Sae sae = Sae.load(directory, engine);
                 Monitor few = Monitor.open(session.model(), Map.of(layer, sae), MonitorSpec.of(List.of(rule(layer, width)),
                     Map.of(layer, sae)));
                 Monitor all = Monitor.open(session.model(), Map.of(layer, sae), MonitorSpec.of(List.of(), Map.of()), Set.of(layer))) {
                lines(name, session, dtype, width, few, all).forEach(listener::measured);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("no directory for a random autoencoder can be made", e);
        } finally {
            if (directory != null) {
                AtomicFiles.deleteTree(directory);
            }
        }
    }

    private static Rule rule(int layer, int width) {
        List<Signal.Term> terms = IntStream.range(0, Math.min(FEATURES, width))
            .mapToObj(i -> new Signal.Term((int) ((long) i * width / Math.min(FEATURES, width)), 1)).toList();
        return new Rule("all", new Signal(layer, terms), Part.ALL, new Trigger(Trigger.Side.ABOVE, Float.MAX_VALUE, 0, 4),
            new Action.Note());
    }

    /** Root mean square of the residual stream behind a layer, BOS apart. */
    private static float streamSize(ModelSession session, int layer) {
        double[] square = new double[1];
        session.forward(TokenBatch.of(prompt(session)), AdapterStack.none(), new ForwardOptions(false, layer, (site, at, value) -> {
            if (site == Site.LAYER && at == layer) {
                float[] values = value.toFloatArray();
                int from = values.length / PROMPT_TOKENS;
                square[0] = IntStream.range(from, values.length).mapToDouble(i -> (double) values[i] * values[i]).average().orElseThrow();
            }
        })).close();
        return (float) Math.sqrt(square[0]);
    }

    private static void write(Path directory, int dIn, int width, float size) throws IOException {
        SplittableRandom random = new SplittableRandom(1);
        float[] weights = new float[Math.multiplyExact(dIn, width)];
        // Uniform numbers of variance 1 / d_in: products of them with the stream have its size.
        double most = Math.sqrt(3.0 / dIn);
        for (int i = 0; i < weights.length; i++) {
            weights[i] = (float) random.nextDouble(-most, most);
        }
        float[] bias = new float[width];
        Arrays.fill(bias, -ACTIVE_FROM * size);
        SequencedMap<String, HostTensor> arrays = new LinkedHashMap<>();
        arrays.put("W_enc", HostTensor.ofFloats(weights, dIn, width));
        arrays.put("W_dec", HostTensor.ofFloats(weights, width, dIn));
        arrays.put("b_enc", HostTensor.ofFloats(bias, width));
        arrays.put("b_dec", HostTensor.ofFloats(new float[dIn], dIn));
        SafetensorsWriter.write(directory.resolve("sae_weights.safetensors"), arrays, Map.of());
        Files.writeString(directory.resolve("cfg.json"), "{\"d_in\": " + dIn + ", \"d_sae\": " + width
            + ", \"apply_b_dec_to_input\": false}");
    }

    private static int[] prompt(ModelSession session) {
        return new SplittableRandom(1).ints(PROMPT_TOKENS, 0, (int) session.model().config().vocabSize()).toArray();
    }

    private List<BenchResult> lines(String name, ModelSession session, DType dtype, int width, Monitor few, Monitor all) {
        double[] plain = new double[ROUNDS];
        double[] withFew = new double[ROUNDS];
        double[] withAll = new double[ROUNDS];
        for (int round = -1; round < ROUNDS; round++) {
            int at = Math.max(0, round);
            plain[at] = token(session, null);
            withFew[at] = token(session, few);
            withAll[at] = token(session, all);
        }
        ModelConfig config = session.model().config();
        String shape = name + ", " + config.nLayers() + " layers, batch 1, " + width + " features, ";
        Times token = Times.median(plain);
        List<BenchResult> results = new ArrayList<>();
        double bytes = (double) config.parameterCount() * dtype.byteSize();
        results.add(line(shape + "none watched", dtype, token, bytes, Map.of()));
        results.add(line(shape + Math.min(FEATURES, width) + " watched", dtype, Times.median(withFew),
            bytes + 4.0 * Math.min(FEATURES, width) * config.dModel(), added(withFew, plain, token)));
        results.add(line(shape + "all watched", dtype, Times.median(withAll), bytes + 4.0 * width * config.dModel(),
            added(withAll, plain, token)));
        return results;
    }

    private BenchResult line(String shape, DType dtype, Times times, double bytes, Map<String, Double> more) {
        return new BenchResult("monitor", "step", shape, dtype, times, 0, bytes, 0, more);
    }

    private static Map<String, Double> added(double[] with, double[] without, Times token) {
        double added = Times.median(IntStream.range(0, with.length).mapToDouble(i -> with[i] - without[i]).toArray()).seconds();
        return Map.of("added_seconds", added, "added_share", added / token.seconds());
    }

    private double token(ModelSession session, @Nullable Monitor monitor) {
        int tokens = size.decodeTokens();
        try (BatchDecoder decoder = new BatchDecoder(session, new BatchOptions(1, 1, PROMPT_TOKENS + tokens + 2), PROMPT_TOKENS, null,
            monitor, Graphs.AUTO)) {
            DecodeRequest request = new DecodeRequest(prompt(session), AdapterStack.none(), GenerationOptions.greedy(tokens + 2, Set.of()),
                0);
            BatchDecoder.Sequence sequence = decoder
                .add(monitor == null ? request : request.listenedBy(monitor.begin(PROMPT_TOKENS, null)));
            decoder.read(sequence);
            decoder.step();
            long start = System.nanoTime();
            for (int i = 0; i < tokens; i++) {
                decoder.step();
            }
            return (System.nanoTime() - start) * NANO / tokens;
        }
    }
}
