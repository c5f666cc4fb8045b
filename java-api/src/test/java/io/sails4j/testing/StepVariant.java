package io.sails4j.testing;

import io.sails4j.train.LrSchedule;
import io.sails4j.train.OptimizerOptions;
import io.sails4j.train.StepHook;
import io.sails4j.train.TrainingLoop;
import io.sails4j.train.TrainingOptions;
import io.sails4j.train.GraphMode;
import io.sails4j.align.AdapterInitialiser;
import io.sails4j.align.AdapterOptions;
import io.sails4j.align.AlignOptions;
import io.sails4j.align.SubspaceHook;
import io.sails4j.config.ModelConfig;
import io.sails4j.config.ModuleKey;
import io.sails4j.config.Projection;
import io.sails4j.data.TokenPair;
import io.sails4j.data.TokenSequence;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelWeights;
import io.sails4j.objective.Loss;
import io.sails4j.objective.PreferenceLoss;
import io.sails4j.objective.SftLoss;
import io.sails4j.ops.AdamwOptions;
import io.sails4j.ops.Engine;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Tensor;
import io.sails4j.trainable.CoreLoraTrainable;
import io.sails4j.trainable.FullTrainable;
import io.sails4j.trainable.LoraTrainable;
import io.sails4j.trainable.Trainable;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.IntStream;

/** A way to train, with everything that an optimizer step can consist of, on a tiny model. */
public enum StepVariant {
    LORA, LORA_EMA, LORA_PLUS_8BIT, DORA, NONE, PENALTY, GRADIENT, UPDATE, UPDATE_8BIT, CORE, CORE_EMA, FULL, FULL_EMA, FULL_COPIES, FULL_MASTERS, FULL_MASTERS_8BIT;

    private static final int D = 128;
    /** Factors of this rank and the embedding are large enough for moments in 8 bits. */
    private static final int RANK = 32;
    private static final EnumSet<Projection> TARGETS = EnumSet.of(Projection.Q_PROJ, Projection.O_PROJ, Projection.DOWN_PROJ);

    private static ModelConfig config(DType dtype) {
        return ModelConfig.gemma2().vocabSize(61).dModel(D).layers(1).heads(2, 1).headDim(8).dFf(24).slidingWindow(6)
            .maxPositionEmbeddings(128).checkpointDtype(dtype).build();
    }

    private boolean full() {
        return name().startsWith("FULL");
    }

    private boolean bf16() {
        return this == FULL_COPIES || this == FULL_MASTERS || this == FULL_MASTERS_8BIT;
    }

    private AlignOptions.Constraint constraint() {
        return switch (this) {
            case PENALTY -> AlignOptions.Constraint.PENALTY;
            case GRADIENT -> AlignOptions.Constraint.GRADIENT;
            case UPDATE, UPDATE_8BIT -> AlignOptions.Constraint.UPDATE;
            case CORE, CORE_EMA -> AlignOptions.Constraint.CORE;
            default -> AlignOptions.Constraint.NONE;
        };
    }

    /** @param micro positions of a micro-batch; a step is about 30 */
    public TrainingOptions options(int micro, GraphMode graphs) {
        boolean in8bit = name().endsWith("8BIT");
        double ema = name().endsWith("EMA") ? 0.9 : 0;
        return new TrainingOptions(9, 9, 30, micro, new AdamwOptions(3e-3, 0.9, 0.999, 1e-8, 0.01), 0.5, LrSchedule.COSINE, 0.2, 2).withGraphs(graphs)
            .withOptimizer(new OptimizerOptions(this == LORA_PLUS_8BIT ? 4 : 1, false, ema, in8bit, name().startsWith("FULL_MASTERS")));
    }

    private AlignOptions align(TrainingOptions training) {
        boolean plain = name().startsWith("LORA") || this == DORA;
        return new AlignOptions(plain ? AlignOptions.Method.LORA : AlignOptions.Method.SAILS, AlignOptions.Objective.SFT, constraint(), 0.1, AlignOptions.Fill.AUTO,
            TARGETS, RANK, 2 * RANK, 0.1, 8, training, new AdapterOptions(false, Map.of(), Map.of(), AdapterOptions.Init.KAIMING, this == DORA));
    }

    /** The span of some unit vectors, a few more where the adapter is to be wholly inside. */
    private SafetySubspace subspace() {
        int dimension = constraint() == AlignOptions.Constraint.NONE || constraint() == AlignOptions.Constraint.PENALTY ? RANK / 2 : RANK;
        float[] basis = new float[D * dimension];
        for (int c = 0; c < dimension; c++) {
            // A rotation by 1 radian between unit vectors that no other column has.
            basis[2 * c * dimension + c] = (float) Math.cos(1);
            basis[(2 * c + 1) * dimension + c] = (float) Math.sin(1);
        }
        return new SafetySubspace(new TreeMap<>(Map.of(0, new SafetySubspace.Layer(D, dimension, basis, new int[] {3, 1}, new float[] {2, 1}))), Map.of());
    }

    /** Sequences of one length, with another here and there. */
    public static List<TokenSequence> sequences() {
        List<TokenSequence> sequences = new ArrayList<>();
        for (int i = 0; i < 12; i++) {
            int length = i % 5 == 4 ? 10 : 6;
            int seed = i;
            boolean[] counted = new boolean[length];
            java.util.Arrays.fill(counted, length / 2, length, true);
            sequences.add(new TokenSequence(IntStream.range(0, length).map(t -> (t * 7 + seed * 3) % 61).toArray(), counted));
        }
        return sequences;
    }

    public static Loss loss(boolean preference) {
        List<TokenSequence> sequences = sequences();
        return preference ? new PreferenceLoss(IntStream.range(0, 12).mapToObj(i -> new TokenPair(sequences.get(i), sequences.get((i + 3) % 12))).toList(), 0.2)
            : new SftLoss(sequences);
    }

    /** Opens everything, lets {@code body} train, and closes it. */
    public void with(Engine engine, TrainingOptions options, Loss loss, Consumer<TrainingLoop> body) {
        DType dtype = bf16() ? DType.BF16 : DType.F32;
        try (CausalModel model = new CausalModel(engine, ModelWeights.random(config(dtype), engine, dtype, 7), false)) {
            if (full()) {
                try (FullTrainable trainable = new FullTrainable(model, options.more().bf16Masters())) {
                    train(model, trainable, loss, options, StepHook.none(), body);
                }
                return;
            }
            AlignOptions align = align(options);
            boolean plain = align.method() == AlignOptions.Method.LORA;
            try (LoraAdapter adapter = plain ? AdapterInitialiser.plain(model, align, "tiny")
                : AdapterInitialiser.inSubspace(subspace(), model.config(), align, "tiny", engine.device())) {
                disturb(adapter);
                train(model, adapter, align, loss, body);
            }
        }
    }

    private void train(CausalModel model, LoraAdapter adapter, AlignOptions align, Loss loss, Consumer<TrainingLoop> body) {
        Engine engine = model.engine();
        if (align.method() == AlignOptions.Method.LORA) {
            try (LoraTrainable trainable = new LoraTrainable(adapter, engine.device())) {
                train(model, trainable, loss, align.training(), StepHook.none(), body);
            }
            return;
        }
        SafetySubspace space = subspace();
        if (constraint() != AlignOptions.Constraint.CORE) {
            try (LoraTrainable trainable = new LoraTrainable(adapter, engine.device()); SubspaceHook hook = new SubspaceHook(space, trainable, align, engine)) {
                train(model, trainable, loss, align.training(), hook, body);
            }
            return;
        }
        Map<ModuleKey, Tensor> bases = new TreeMap<>();
        SafetySubspace.Layer layer = space.nearest(0);
        try (Tensor basis = engine.device().upload(HostTensor.ofFloats(layer.basis(), layer.dModel(), layer.dimension()))) {
            adapter.modules().keySet().forEach(module -> bases.put(module, basis));
            try (CoreLoraTrainable trainable = new CoreLoraTrainable(adapter, bases, engine);
                 SubspaceHook hook = new SubspaceHook(space, adapter, trainable.gradients(), align, engine)) {
                train(model, trainable, loss, align.training(), hook, body);
            }
        }
    }

    private static void train(CausalModel model, Trainable trainable, Loss loss, TrainingOptions options, StepHook hook, Consumer<TrainingLoop> body) {
        try (TrainingLoop loop = new TrainingLoop(model, trainable, loss, options, hook, System::nanoTime)) {
            loop.prepare();
            body.accept(loop);
        }
    }

    /** Factors that are 0 get values, so that every gradient is one from the first step on; those that face the subspace stay. */
    private static void disturb(LoraAdapter adapter) {
        Random random = new Random(3);
        adapter.modules().values().forEach(factors -> List.of(factors.loraA(), factors.loraB()).forEach(factor -> {
            float[] values = factor.toFloatArray();
            if (IntStream.range(0, values.length).allMatch(i -> values[i] == 0)) {
                IntStream.range(0, values.length).forEach(i -> values[i] = (float) (0.05 * random.nextGaussian()));
                factor.upload(values);
            }
        }));
    }
}
