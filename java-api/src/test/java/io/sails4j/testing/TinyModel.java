package io.sails4j.testing;

import io.sails4j.config.ModelConfig;
import io.sails4j.config.Projection;
import io.sails4j.config.RopeScaling;
import io.sails4j.data.TokenPair;
import io.sails4j.data.TokenSequence;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.lora.LoraConfig;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelWeights;
import io.sails4j.ops.AdamwOptions;
import io.sails4j.ops.Engine;
import io.sails4j.ops.MatmulPeak;
import io.sails4j.subspace.PcaSubspace;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.train.Batching;
import io.sails4j.train.Execution;
import io.sails4j.train.LrSchedule;
import io.sails4j.train.OptimizerOptions;
import io.sails4j.train.RunControl;
import io.sails4j.train.ScheduleOptions;
import io.sails4j.train.TrainingOptions;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;

/** A two-layer model with random weights, and data and short runs for it. */
public final class TinyModel {
    public static final ModelConfig CONFIG = ModelConfig.gemma2().vocabSize(61).dModel(24).layers(2).heads(2, 1).headDim(8).dFf(40)
        .slidingWindow(6).maxPositionEmbeddings(128).checkpointDtype(DType.F32).build();

    /** The same widths without norms behind attention and MLP, and with a head of its own. */
    public static final ModelConfig LLAMA = ModelConfig.llama3().vocabSize(61).dModel(24).layers(2).heads(6, 2).headDim(8).dFf(40)
        .rope(10_000, new RopeScaling.None()).maxPositionEmbeddings(128).checkpointDtype(DType.F32)
        .tokens(1, List.of(2), ModelConfig.NO_ID).build();

    /** A run from its start to its end that does not measure the device first: many tests have one. */
    public static final RunControl AT_ONCE = new RunControl(false, () -> false, MatmulPeak.given(1e12));

    private TinyModel() {
    }

    public static CausalModel open(Engine engine) {
        return new CausalModel(engine, ModelWeights.random(CONFIG, engine, DType.F32, 7), false);
    }

    /** The span of random directions in each of some layers. */
    public static SafetySubspace subspace(long seed, int dimension, int... layers) {
        Random random = new Random(seed);
        TreeMap<Integer, SafetySubspace.Layer> map = new TreeMap<>();
        int d = (int) CONFIG.dModel();
        for (int layer : layers) {
            float[][] directions = new float[dimension][d];
            for (float[] row : directions) {
                for (int i = 0; i < d; i++) {
                    row[i] = (float) random.nextGaussian();
                }
            }
            double[][] basis = PcaSubspace.of(directions, 1, false).basis();
            float[] flat = new float[d * dimension];
            for (int i = 0; i < d; i++) {
                for (int c = 0; c < dimension; c++) {
                    flat[i * dimension + c] = (float) basis[i][c];
                }
            }
            map.put(layer, new SafetySubspace.Layer(d, dimension, flat, new int[] {3, 1}, new float[] {2, 1}));
        }
        return new SafetySubspace(map, Map.of());
    }

    /** An adapter of rank 3 on all projections with random factors. */
    public static LoraAdapter randomAdapter(Engine engine, long seed) {
        return randomAdapter(engine, seed, CONFIG, EnumSet.allOf(Projection.class));
    }

    public static LoraAdapter randomAdapter(Engine engine, long seed, ModelConfig config, Set<Projection> targets) {
        LoraAdapter adapter = LoraAdapter.create(LoraConfig.uniform(config, targets, 3, 6, "tiny"), config, engine.device());
        Random random = new Random(seed);
        adapter.modules().values().forEach(factors -> {
            fill(factors.loraA(), random);
            fill(factors.loraB(), random);
        });
        return adapter;
    }

    private static void fill(Tensor tensor, Random random) {
        float[] values = new float[(int) tensor.numel()];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (0.2 * random.nextGaussian());
        }
        tensor.upload(values);
    }

    /** Sequences of different lengths, each with a different number of counted tokens and a hole among them. */
    public static List<TokenSequence> sequences(int count, long seed) {
        Random random = new Random(seed);
        List<TokenSequence> sequences = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int length = 5 + random.nextInt(9);
            int[] ids = new int[length];
            boolean[] counted = new boolean[length];
            for (int t = 0; t < length; t++) {
                ids[t] = random.nextInt((int) CONFIG.vocabSize());
                counted[t] = t > length / 2 && t != length - 2;
            }
            sequences.add(new TokenSequence(ids, counted));
        }
        return sequences;
    }

    /**
     * A short run of AdamW in steps of about 60 tokens and micro-batches of 40: gradients clipped to norm 1, no weight decay, a cosine
     * schedule with 10 % of warm-up.
     *
     * @param maxSteps 0 = all of the epochs
     */
    public static TrainingOptions training(int epochs, int maxSteps, double lr) {
        return new TrainingOptions(Batching.defaults().with(b -> {
            b.epochs = epochs;
            b.maxSteps = maxSteps;
            b.batchTokens = 60;
            b.microBatchTokens = 40;
        }), OptimizerOptions.of(new AdamwOptions(lr, 0.9, 0.999, 1e-8, 0)), new ScheduleOptions(LrSchedule.COSINE, 0.1),
            Execution.defaults(), 1);
    }

    public static List<TokenPair> pairs(int count, long seed) {
        List<TokenSequence> aligned = sequences(count, seed);
        List<TokenSequence> unaligned = sequences(count, seed + 1);
        List<TokenPair> pairs = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            pairs.add(new TokenPair(aligned.get(i), unaligned.get(i)));
        }
        return pairs;
    }
}
