package io.sails4j.run;

import static org.assertj.core.api.Assertions.assertThat;

import io.sails4j.align.AdapterOptions;
import io.sails4j.align.AdapterVariant;
import io.sails4j.align.AlignOptions;
import io.sails4j.align.Constraint;
import io.sails4j.align.ConstraintOptions;
import io.sails4j.align.Fill;
import io.sails4j.align.Method;
import io.sails4j.config.ModelConfig;
import io.sails4j.config.Projection;
import io.sails4j.config.RopeScaling;
import io.sails4j.data.Progress;
import io.sails4j.files.AtomicFiles;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.lora.LoraMerge;
import io.sails4j.lora.WeightedAdapter;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ForwardPass;
import io.sails4j.model.GenerationOptions;
import io.sails4j.model.Generator;
import io.sails4j.model.ModelOptions;
import io.sails4j.model.ModelSession;
import io.sails4j.model.ModelWeights;
import io.sails4j.model.TokenBatch;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.tensor.DType;
import io.sails4j.testing.TinyModel;
import io.sails4j.train.Objective;
import io.sails4j.train.ObjectiveOptions;
import io.sails4j.train.Reference;
import io.sails4j.train.RunOptions;
import io.sails4j.train.RunOrigin;
import io.sails4j.train.TrainingOptions;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Training, merging and generation on small Llama-3 models, with an output matrix of their own or a tied one. */
class LlamaAlignTest {
    private static final int[] IDS = {1, 20, 33, 4, 58, 7, 19};

    @TempDir
    private Path temporary;
    private final Engine engine = Engine.open(EngineOptions.defaults());

    @AfterEach
    void close() {
        engine.close();
    }

    private Path write(boolean tied) {
        ModelConfig config = ModelConfig.llama3().vocabSize(TinyModel.CONFIG.vocabSize()).dModel(TinyModel.CONFIG.dModel()).layers(2)
            .heads(3, 1).headDim(8).dFf(40).rope(10_000, new RopeScaling.Llama3(8, 1, 4, 64)).maxPositionEmbeddings(128).tiedHead(tied)
            .checkpointDtype(DType.F32).tokens(1, List.of(2, 3), ModelConfig.NO_ID).build();
        Path directory = temporary.resolve("base-" + tied);
        try (ModelWeights weights = ModelWeights.random(config, engine, DType.F32, 3)) {
            AtomicFiles.writeDirectory(directory, target -> weights.writeInto(target, engine));
        }
        return directory;
    }

    private AlignResult align(Path base, Method method, Objective objective, Path out) {
        TrainingOptions training = TinyModel.training(10, 0, method == Method.FULL ? 1e-3 : 1e-2);
        AlignOptions options = new AlignOptions(method, new ObjectiveOptions(objective, 0.1, Reference.CACHED),
            new AdapterOptions(EnumSet.allOf(Projection.class), 4, 4, AdapterVariant.plain()),
            new ConstraintOptions(Constraint.NONE, 0.1, Fill.AUTO), training, RunOptions.of(8));
        try (CausalModel model = CausalModel.load(base, engine, new ModelOptions(DType.F32, method == Method.FULL, false))) {
            return new AlignRun(model, base, options, null, RunOrigin.unknown()).run(TinyModel.pairs(8, 4), out, Progress.none(),
                TinyModel.AT_ONCE);
        }
    }

    private float[] logits(Path directory, AdapterStack adapters) {
        try (CausalModel model = CausalModel.load(directory, engine, ModelOptions.of(DType.F32));
             ModelSession session = ModelSession.open(model);
             ForwardPass pass = session.forward(TokenBatch.of(IDS), adapters, ForwardOptions.inference())) {
            return session.logits(pass, null).toFloatArray();
        }
    }

    private float[] parameter(Path directory, String name) {
        try (ModelWeights weights = ModelWeights.load(directory, ModelConfig.read(directory), engine, DType.F32, false)) {
            return weights.parameter(name).toFloatArray();
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void theWholeModelTrains(boolean tied) {
        Path base = write(tied);
        for (Objective objective : Arrays.stream(Objective.values()).filter(o -> !o.samplesAnswers()).toList()) {
            Path out = temporary.resolve("full-" + objective);
            AlignResult result = align(base, Method.FULL, objective, out);
            assertThat(result.lossAfter()).as(objective + "").isLessThan(0.95 * result.lossBefore());
            assertThat(ModelConfig.read(out)).isEqualTo(ModelConfig.read(base));
            for (String name : ModelWeights.shapes(ModelConfig.read(base)).keySet()) {
                assertThat(parameter(out, name)).as(name).isNotEqualTo(parameter(base, name));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void anAdapterTrainsAndMerges(boolean tied) {
        Path base = write(tied);
        Path out = temporary.resolve("adapter");
        AlignResult result = align(base, Method.LORA, Objective.DPO, out);
        assertThat(result.lossAfter()).isLessThan(0.95 * result.lossBefore());
        Path merged = temporary.resolve("merged");
        LoraMerge.merge(base, List.of(new WeightedAdapter(out, 1)), merged, engine);
        try (LoraAdapter adapter = LoraAdapter.load(out, ModelConfig.read(base), engine)) {
            float[] beside = logits(base, AdapterStack.of(adapter.modules()));
            float[] inside = logits(merged, AdapterStack.none());
            double difference = 0;
            double norm = 0;
            for (int i = 0; i < beside.length; i++) {
                difference += Math.pow(beside[i] - inside[i], 2);
                norm += Math.pow(beside[i], 2);
            }
            assertThat(Math.sqrt(difference / norm)).isLessThan(1e-5);
            assertThat(inside).isNotEqualTo(logits(base, AdapterStack.none()));
        }
        assertThat(parameter(merged, ModelWeights.headName(ModelConfig.read(base))))
            .isEqualTo(parameter(base, ModelWeights.headName(ModelConfig.read(base))));
    }

    /** Token by token with a cache gives what the whole sequence gives. */
    @Test
    void theCacheChangesNothing() {
        Path base = write(false);
        try (CausalModel model = CausalModel.load(base, engine, ModelOptions.of(DType.F32));
             ModelSession session = ModelSession.open(model)) {
            int[] fresh = new Generator(session, AdapterStack.none()).generate(IDS, GenerationOptions.greedy(12, Set.of()), null);
            int[] all = IntStream.concat(Arrays.stream(IDS), Arrays.stream(fresh)).toArray();
            int vocab = (int) model.config().vocabSize();
            try (ForwardPass pass = session.forward(TokenBatch.of(all), AdapterStack.none(), ForwardOptions.inference())) {
                float[] logits = session.logits(pass, null).toFloatArray();
                for (int t = IDS.length - 1; t + 1 < all.length; t++) {
                    float best = logits[t * vocab + all[t + 1]];
                    for (int v = 0; v < vocab; v++) {
                        assertThat(logits[t * vocab + v]).isLessThanOrEqualTo(best);
                    }
                }
            }
        }
    }
}
