package io.sails4j.testing;

import io.sails4j.adaptation.Adaptation;
import io.sails4j.adaptation.OpenAdaptation;
import io.sails4j.align.AdapterOptions;
import io.sails4j.align.AdapterVariant;
import io.sails4j.align.AlignOptions;
import io.sails4j.align.Constraint;
import io.sails4j.align.ConstraintOptions;
import io.sails4j.align.Fill;
import io.sails4j.align.Method;
import io.sails4j.config.ModelConfig;
import io.sails4j.config.ModuleKey;
import io.sails4j.config.Projection;
import io.sails4j.data.TokenPair;
import io.sails4j.data.TokenSequence;
import io.sails4j.loop.TrainingLoop;
import io.sails4j.model.CausalModel;
import io.sails4j.model.LowRankAdapter;
import io.sails4j.model.ModelWeights;
import io.sails4j.objective.Loss;
import io.sails4j.objective.PreferenceLoss;
import io.sails4j.objective.SftLoss;
import io.sails4j.ops.AdamwOptions;
import io.sails4j.ops.Engine;
import io.sails4j.ops.Graphs;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.tensor.DType;
import io.sails4j.train.Execution;
import io.sails4j.train.LrSchedule;
import io.sails4j.train.Master;
import io.sails4j.train.OptimizerOptions;
import io.sails4j.train.OptimizerState;
import io.sails4j.train.ScheduleOptions;
import io.sails4j.train.TrainingOptions;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.IntStream;

/** A way to train, with everything that an optimizer step can consist of, on a tiny model. */
public enum StepVariant {
    LORA(plain()), LORA_EMA(plain().average()), LORA_PLUS_8BIT(plain().in8bit().loraPlus()), DORA(plain().withDora()),
    NONE(held(Constraint.NONE)), PENALTY(held(Constraint.PENALTY)), GRADIENT(held(Constraint.GRADIENT)), UPDATE(held(Constraint.UPDATE)),
    UPDATE_8BIT(held(Constraint.UPDATE).in8bit()), CORE(held(Constraint.CORE)), CORE_EMA(held(Constraint.CORE).average()),
    FULL(full(DType.F32, Master.F32)), FULL_EMA(full(DType.F32, Master.F32).average()), FULL_COPIES(full(DType.BF16, Master.F32)),
    FULL_MASTERS(full(DType.BF16, Master.BF16)), FULL_MASTERS_8BIT(full(DType.BF16, Master.BF16).in8bit());

    private static final int D = 128;
    /** Factors of this rank and the embedding are large enough for moments in 8 bits. */
    private static final int RANK = 32;
    private static final EnumSet<Projection> TARGETS = EnumSet.of(Projection.Q_PROJ, Projection.O_PROJ, Projection.DOWN_PROJ);

    private static ModelConfig config(DType dtype) {
        return ModelConfig.gemma2().vocabSize(61).dModel(D).layers(1).heads(2, 1).headDim(8).dFf(24).slidingWindow(6)
            .maxPositionEmbeddings(128).checkpointDtype(dtype).build();
    }

    private final Parts parts;

    StepVariant(Parts parts) {
        this.parts = parts;
    }

    /** What a variant is made of. */
    private record Parts(Method method, Constraint constraint, DType dtype, OptimizerOptions optimizer, boolean dora) {
        Parts with(Consumer<OptimizerOptions.Builder> change) {
            return new Parts(method, constraint, dtype, optimizer.with(change), dora);
        }

        Parts average() {
            return with(o -> o.emaDecay = 0.9);
        }

        Parts in8bit() {
            return with(o -> o.state = new OptimizerState(true, o.state.master()));
        }

        Parts loraPlus() {
            return with(o -> o.loraPlusRatio = 4);
        }

        Parts withDora() {
            return new Parts(method, constraint, dtype, optimizer, true);
        }
    }

    private static Parts parts(Method method, Constraint constraint, DType dtype) {
        OptimizerOptions optimizer = OptimizerOptions.of(new AdamwOptions(3e-3, 0.9, 0.999, 1e-8, 0.01)).with(o -> o.maxGradNorm = 0.5);
        return new Parts(method, constraint, dtype, optimizer, false);
    }

    private static Parts plain() {
        return parts(Method.LORA, Constraint.NONE, DType.F32);
    }

    private static Parts held(Constraint constraint) {
        return parts(Method.SAILS, constraint, DType.F32);
    }

    private static Parts full(DType dtype, Master master) {
        return parts(Method.FULL, Constraint.NONE, dtype).with(o -> o.state = new OptimizerState(false, master));
    }

    /** @param micro positions of a micro-batch; a step is about 30 */
    public TrainingOptions options(int micro, Graphs graphs) {
        return TrainingOptions.defaults().withBatching(b -> {
            b.epochs = 6;
            b.maxSteps = 6;
            b.batchTokens = 30;
            b.microBatchTokens = micro;
        }).with(t -> {
            t.optimizer = parts.optimizer;
            t.schedule = new ScheduleOptions(LrSchedule.COSINE, 0.2);
            t.execution = new Execution(t.execution.recompute(), graphs);
            t.seed = 2;
        });
    }

    private AlignOptions align(TrainingOptions training) {
        return AlignOptions.defaults().with(o -> {
            o.method = parts.method;
            o.adapter = AdapterOptions.of(TARGETS, RANK).withAlpha(2 * RANK)
                .withVariant(AdapterVariant.plain().with(v -> v.useDora = parts.dora));
            o.constraint = new ConstraintOptions(parts.constraint, 0.1, Fill.AUTO);
            o.training = training;
        });
    }

    /** The span of some unit vectors, a few more where the adapter is to be wholly inside. */
    private SafetySubspace subspace() {
        int dimension = parts.constraint == Constraint.NONE || parts.constraint == Constraint.PENALTY ? RANK / 2 : RANK;
        float[] basis = new float[D * dimension];
        for (int c = 0; c < dimension; c++) {
            // A rotation by 1 radian between unit vectors that no other column has.
            basis[2 * c * dimension + c] = (float) Math.cos(1);
            basis[(2 * c + 1) * dimension + c] = (float) Math.sin(1);
        }
        return new SafetySubspace(
            new TreeMap<>(Map.of(0, new SafetySubspace.Layer(D, dimension, basis, new int[] {3, 1}, new float[] {2, 1}))), Map.of());
    }

    /** Sequences of one length, with another here and there. */
    public static List<TokenSequence> sequences() {
        List<TokenSequence> sequences = new ArrayList<>();
        for (int i = 0; i < 12; i++) {
            int length = i % 5 == 4 ? 10 : 6;
            int seed = i;
            boolean[] counted = new boolean[length];
            Arrays.fill(counted, length / 2, length, true);
            sequences.add(new TokenSequence(IntStream.range(0, length).map(t -> (t * 7 + seed * 3) % 61).toArray(), counted));
        }
        return sequences;
    }

    public static Loss loss(boolean preference) {
        List<TokenSequence> sequences = sequences();
        return preference
            ? new PreferenceLoss(
                IntStream.range(0, 12).mapToObj(i -> new TokenPair(sequences.get(i), sequences.get((i + 3) % 12))).toList(), 0.2)
            : new SftLoss(sequences);
    }

    /** Opens everything, lets {@code body} train, and closes it. */
    public void with(Engine engine, TrainingOptions options, Loss loss, Consumer<TrainingLoop> body) {
        AlignOptions align = align(options);
        try (CausalModel model = new CausalModel(engine, ModelWeights.random(config(parts.dtype), engine, parts.dtype, 7), false);
             OpenAdaptation open = Adaptation.of(align, parts.method == Method.SAILS ? subspace() : null).open(model, Path.of("tiny"))) {
            open.trainable().adapters().adapters().forEach(StepVariant::disturb);
            try (TrainingLoop loop = new TrainingLoop(model, open.trainable(), loss, options, open.hook(), System::nanoTime)) {
                loop.prepare();
                body.accept(loop);
            }
        }
    }

    /** Factors that are 0 get values, so that every gradient is one from the first step on; those that face the subspace stay. */
    private static void disturb(Map<ModuleKey, LowRankAdapter> adapter) {
        Random random = new Random(3);
        adapter.values().forEach(factors -> List.of(factors.loraA(), factors.loraB()).forEach(factor -> {
            float[] values = factor.toFloatArray();
            if (IntStream.range(0, values.length).allMatch(i -> values[i] == 0)) {
                IntStream.range(0, values.length).forEach(i -> values[i] = (float) (0.05 * random.nextGaussian()));
                factor.upload(values);
            }
        }));
    }
}
