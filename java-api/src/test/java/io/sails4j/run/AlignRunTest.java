package io.sails4j.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.InputException;
import io.sails4j.align.AdapterOptions;
import io.sails4j.align.AdapterVariant;
import io.sails4j.align.AlignOptions;
import io.sails4j.align.Constraint;
import io.sails4j.align.ConstraintOptions;
import io.sails4j.align.Fill;
import io.sails4j.align.Method;
import io.sails4j.config.Projection;
import io.sails4j.data.Progress;
import io.sails4j.files.JsonFiles;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelOptions;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.tensor.DType;
import io.sails4j.testing.TinyModel;
import io.sails4j.train.Objective;
import io.sails4j.train.ObjectiveOptions;
import io.sails4j.train.Reference;
import io.sails4j.train.RunOptions;
import io.sails4j.train.RunOrigin;
import io.sails4j.train.TrainingException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AlignRunTest {
    private static final Set<Projection> ALL = EnumSet.allOf(Projection.class);
    @TempDir
    private Path temporary;
    private final Engine engine = Engine.open(EngineOptions.defaults());
    private final CausalModel model = TinyModel.open(engine);

    @AfterEach
    void close() {
        model.close();
        engine.close();
    }

    private static AlignOptions request(Method method, Objective objective, Constraint constraint, int epochs, double lr) {
        return new AlignOptions(method, new ObjectiveOptions(objective, 0.1, Reference.CACHED),
            new AdapterOptions(ALL, 4, 4, AdapterVariant.plain()), new ConstraintOptions(constraint, 0.1, Fill.AUTO),
            TinyModel.training(epochs, 0, lr),
            RunOptions.of(8));
    }

    @Test
    void everyMethodAndConstraintLowersTheLossAndWritesWholeOutputs() throws IOException {
        int runs = 0;
        List<Objective> ofPairs = Stream.of(Objective.values()).filter(o -> !o.samplesAnswers()).toList();
        for (Objective objective : ofPairs) {
            for (Constraint constraint : Constraint.values()) {
                SafetySubspace subspace = TinyModel.subspace(5, 3, 0, 1);
                Path out = temporary.resolve("out" + runs++);
                AlignResult result = new AlignRun(model, Path.of("tiny"), request(Method.SAILS, objective, constraint, 10, 0.01), subspace,
                    RunOrigin.unknown())
                    .run(TinyModel.pairs(8, 4), out, Progress.none(), TinyModel.AT_ONCE);
                assertThat(result.lossAfter()).as(objective + " " + constraint).isLessThan(0.95 * result.lossBefore());
                assertThat(result.shareInside()).isBetween(0.0, 1.0 + 1e-5);
                assertThat(Files.readAllLines(out.resolve("metrics.jsonl")).stream().filter(line -> line.contains("grad_norm")))
                    .hasSize((int) result.steps());
                assertThat(JsonFiles.read(out.resolve("sails_run.json")).get("loss_after").asDouble()).isEqualTo(result.lossAfter());
                try (Stream<Path> files = Files.list(out)) {
                    assertThat(files.map(f -> f.getFileName().toString())).containsExactlyInAnyOrder("adapter_config.json",
                        "adapter_model.safetensors", "metrics.jsonl", "metrics.svg", "sails_run.json", "subspace.safetensors",
                        "tensorboard", "trainer_state.json");
                }
                requireTrainerState(out, result);
                assertThat(temporary.resolve(out.getFileName() + ".partial")).doesNotExist();
                assertThat(SafetySubspace.read(out.resolve("subspace.safetensors")).layers()).hasSize(2);
                try (LoraAdapter read = LoraAdapter.load(out, model.config(), engine)) {
                    // A core is smaller than the factor that it makes.
                    assertThat(read.trainableCount()).isGreaterThanOrEqualTo(result.trainable());
                    assertThat(read.trainableCount() == result.trainable()).isEqualTo(constraint != Constraint.CORE);
                }
            }
        }
        assertThat(runs).isEqualTo(ofPairs.size() * Constraint.values().length);
    }

    /** The fields of transformers' TrainerState (5.18), all of them and no other: its constructor takes the file as keywords. */
    private static void requireTrainerState(Path out, AlignResult result) {
        JsonNode state = JsonFiles.read(out.resolve("trainer_state.json"));
        assertThat(state.fieldNames()).toIterable().containsExactlyInAnyOrder("epoch", "global_step", "max_steps", "logging_steps",
            "eval_steps", "save_steps",
            "train_batch_size", "num_train_epochs", "num_input_tokens_seen", "total_flos", "log_history", "best_metric", "best_global_step",
            "best_model_checkpoint", "is_local_process_zero", "is_world_process_zero", "is_hyper_param_search", "trial_name",
            "trial_params",
            "stateful_callbacks");
        assertThat(state.get("total_flos").asDouble()).isPositive();
        assertThat(state.get("log_history").get(state.get("log_history").size() - 1).get("eval_loss").asDouble())
            .isEqualTo(result.lossAfter());
    }

    @Test
    void theBaselineTrainsAndTheSameSeedGivesTheSameBytes() throws IOException {
        AlignOptions request = request(Method.LORA, Objective.SFT, Constraint.NONE, 10, 0.01);
        for (String name : List.of("a", "b")) {
            AlignResult result = new AlignRun(model, Path.of("tiny"), request, null, RunOrigin.unknown()).run(TinyModel.pairs(8, 4),
                temporary.resolve(name), Progress.none());
            assertThat(result.lossAfter()).isLessThan(0.95 * result.lossBefore());
            assertThat(result.shareInside()).isNaN();
            // A step of this model is nothing but small calls: far below the peak, and above zero.
            assertThat(result.utilisation()).isBetween(0.0, 0.5).isNotZero();
            assertThat(result.peak().source()).contains("measured").contains("F32");
            JsonNode run = JsonFiles.read(temporary.resolve(name).resolve("sails_run.json"));
            assertThat(run.get("peak").asText()).isEqualTo(result.peak().source());
            Files.readAllLines(temporary.resolve(name).resolve("metrics.jsonl")).stream().filter(line -> line.contains("grad_norm"))
                .forEach(line -> {
                    JsonNode step = JsonFiles.parse(line, "metrics");
                    assertThat(step.get("mfu").asDouble()).isEqualTo(step.get("flops_per_s").asDouble() / result.peak().flopsPerSecond());
                    assertThat(step.get("memory_bytes").asLong()).isPositive();
                });
        }
        assertThat(Files.mismatch(temporary.resolve("a/adapter_model.safetensors"), temporary.resolve("b/adapter_model.safetensors")))
            .isEqualTo(-1);
    }

    @Test
    void theWholeModelTrainsAndIsWrittenAsACheckpointWithItsTokenizer() throws IOException {
        Files.writeString(temporary.resolve("tokenizer.json"), "{}");
        AlignOptions request = request(Method.FULL, Objective.SFT, Constraint.NONE, 5, 0.003);
        Path out = temporary.resolve("full");
        AlignResult result = new AlignRun(model, temporary, request, null, RunOrigin.unknown()).run(TinyModel.pairs(8, 4), out,
            Progress.none(), TinyModel.AT_ONCE);
        assertThat(result.lossAfter()).isLessThan(result.lossBefore());
        assertThat(out.resolve("tokenizer.json")).hasContent("{}");
        assertThat(result.trainable()).isEqualTo(model.config().parameterCount());
        try (CausalModel read = CausalModel.load(out, engine, ModelOptions.of(DType.F32))) {
            assertThat(read.weights().embedTokens().toFloatArray()).isEqualTo(model.weights().embedTokens().toFloatArray());
        }
    }

    @Test
    void requestsThatContradictThemselvesAreRefused() {
        for (Constraint constraint : List.of(Constraint.GRADIENT, Constraint.UPDATE)) {
            assertThatThrownBy(
                () -> AlignOptions.defaults().with(o -> o.constraint = new ConstraintOptions(constraint, 0.1, Fill.COMPLEMENT)))
                .isInstanceOf(InputException.class).hasMessageContaining("complement");
        }
        assertThatThrownBy(() -> request(Method.LORA, Objective.SFT, Constraint.UPDATE, 1, 1e-3)).isInstanceOf(InputException.class);
        assertThatThrownBy(() -> new AlignOptions(Method.LORA, new ObjectiveOptions(Objective.DPO, 0, Reference.CACHED),
            new AdapterOptions(ALL, 4, 4, AdapterVariant.plain()), new ConstraintOptions(Constraint.NONE, 0, Fill.AUTO),
            TinyModel.training(1, 0, 1e-3),
            RunOptions.of(8)))
            .isInstanceOf(InputException.class).hasMessageContaining("beta");
        AlignOptions sails = request(Method.SAILS, Objective.SFT, Constraint.UPDATE, 1, 1e-3);
        assertThatThrownBy(() -> new AlignRun(model, temporary, sails, null, RunOrigin.unknown())).isInstanceOf(InputException.class)
            .hasMessageContaining("subspace");
    }

    @Test
    void aLiveReferenceNeedsAnAdapterAndAnObjectiveThatHasOne() {
        assertThatThrownBy(() -> request(Method.FULL, Objective.DPO, Constraint.NONE, 1, 1e-3)
            .with(o -> o.objective = o.objective.withReference(Reference.LIVE))).isInstanceOf(InputException.class)
            .hasMessageContaining("reference=cached");
        assertThatThrownBy(() -> request(Method.LORA, Objective.ORPO, Constraint.NONE, 1, 1e-3)
            .with(o -> o.objective = o.objective.withReference(Reference.LIVE))).isInstanceOf(InputException.class)
            .hasMessageContaining("no reference");
    }

    @Test
    void aLossThatIsNotFiniteStopsTheRunAndLeavesNothing() throws IOException {
        AlignOptions request = request(Method.LORA, Objective.SFT, Constraint.NONE, 20, 1e30);
        assertThatThrownBy(() -> new AlignRun(model, temporary, request, null, RunOrigin.unknown()).run(TinyModel.pairs(8, 4),
            temporary.resolve("never"), Progress.none(), TinyModel.AT_ONCE))
            .isInstanceOf(TrainingException.class).hasMessageContaining("step");
        try (Stream<Path> left = Files.list(temporary)) {
            assertThat(left.map(f -> f.getFileName().toString())).containsOnly("never.partial");
        }
    }

    /** The sizes are products of what was asked for: they do not overflow, and nothing of them is made. */
    @Test
    void aRankThatNoMachineHasRoomForIsRefusedAtOnce() throws IOException {
        for (int r : new int[] {50_000_000, Integer.MAX_VALUE}) {
            AlignOptions request = request(Method.LORA, Objective.SFT, Constraint.NONE, 1, 1e-3)
                .with(o -> o.adapter = AdapterOptions.of(ALL, r));
            assertThatThrownBy(() -> new AlignRun(model, temporary, request, null, RunOrigin.unknown()).run(TinyModel.pairs(2, 4),
                temporary.resolve("never"), Progress.none(), TinyModel.AT_ONCE)).isInstanceOf(InputException.class)
                .hasMessageContaining("lower r=" + r);
        }
        try (Stream<Path> left = Files.list(temporary)) {
            assertThat(left).isEmpty();
        }
    }

    /** As many as there can be, which is more than ten times as many would be in an int: nothing is held out, all are looked at. */
    @Test
    void moreEvaluationPairsThanThereAreHoldNothingOut() {
        AlignOptions request = request(Method.LORA, Objective.SFT, Constraint.NONE, 1, 1e-3)
            .with(o -> o.run = RunOptions.of(Integer.MAX_VALUE));
        Lessons lessons = Lessons.ofPairs(request, TinyModel.pairs(12, 4));
        assertThat(lessons.heldOut()).isFalse();
        assertThat(lessons.trained()).isEqualTo(lessons.evaluated()).isEqualTo(12);
    }

    @Test
    void anOutputThatExistsIsRefusedBeforeTraining() throws IOException {
        Files.writeString(temporary.resolve("file"), "kept");
        AlignOptions request = request(Method.LORA, Objective.SFT, Constraint.NONE, 1, 1e-3);
        assertThatThrownBy(
            () -> new AlignRun(model, temporary, request, null, RunOrigin.unknown()).run(TinyModel.pairs(2, 4), temporary, Progress.none(),
                TinyModel.AT_ONCE))
            .isInstanceOf(InputException.class).hasMessageContaining("exists");
    }
}
