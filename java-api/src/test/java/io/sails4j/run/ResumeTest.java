package io.sails4j.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

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
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelWeights;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.tensor.DType;
import io.sails4j.testing.Sentences;
import io.sails4j.testing.TinyModel;
import io.sails4j.train.CheckpointOptions;
import io.sails4j.train.Master;
import io.sails4j.train.Objective;
import io.sails4j.train.ObjectiveOptions;
import io.sails4j.train.OptimizerState;
import io.sails4j.train.Reference;
import io.sails4j.train.RunControl;
import io.sails4j.train.RunOptions;
import io.sails4j.train.RunOrigin;
import io.sails4j.train.ScheduleOptions;
import io.sails4j.train.StoppedException;
import io.sails4j.train.TrainingException;
import io.sails4j.train.TrainingOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Runs that are stopped and go on: the same bits; and what is refused. */
class ResumeTest {
    private static final TrainingOptions PLAIN = TinyModel.training(12, 12, 0.01).withAdamw(adamw -> adamw.withWeightDecay(0.01));
    private static final RunOptions RUN = RunOptions.of(8).withCheckpoints(new CheckpointOptions(2, 2));

    @TempDir
    private Path temporary;
    private final Engine engine = Engine.open(EngineOptions.defaults());
    private final Sentences sentences = new Sentences();
    private final List<String> messages = sentences.told();

    @AfterEach
    void close() {
        sentences.close();
        engine.close();
    }

    private static AlignOptions options(Method method, Objective objective, Constraint constraint, TrainingOptions training) {
        return new AlignOptions(method, new ObjectiveOptions(objective, 0.1, Reference.CACHED),
            new AdapterOptions(EnumSet.of(Projection.Q_PROJ, Projection.O_PROJ, Projection.DOWN_PROJ), 3, 3, AdapterVariant.plain()),
            new ConstraintOptions(constraint, 0.1, Fill.AUTO), training, RUN);
    }

    private static AlignOptions watched(AlignOptions options, long every, int patience, boolean keepBest) {
        return options.with(o -> o.run = o.run.withEvaluation(o.run.evaluation().every(every, patience, keepBest)));
    }

    private AlignResult run(AlignOptions options, String out, boolean resume, int microBatches) {
        return run(options, out, resume, microBatches, Map.of("model.sha256", "m"));
    }

    /** @param microBatches the run is asked to stop before this many have begun */
    private AlignResult run(AlignOptions options, String out, boolean resume, int microBatches, Map<String, String> provenance) {
        AtomicInteger begun = new AtomicInteger();
        DType dtype = options.training().optimizer().state().master() == Master.BF16 ? DType.BF16 : DType.F32;
        try (CausalModel model = new CausalModel(engine, ModelWeights.random(TinyModel.CONFIG, engine, dtype, 7), false)) {
            return new AlignRun(model, Path.of("tiny"), options, options.method() == Method.SAILS ? TinyModel.subspace(3, 3, 0) : null,
                new RunOrigin(provenance, List.of()))
                .run(TinyModel.pairs(9, 4), temporary.resolve(out), Progress.none(),
                    new RunControl(resume, () -> begun.getAndIncrement() >= microBatches, TinyModel.AT_ONCE.peak()));
        }
    }

    private void assertSame(String file, String a, String b) throws IOException {
        assertThat(Files.mismatch(temporary.resolve(a).resolve(file), temporary.resolve(b).resolve(file))).as(file + " of " + b)
            .isEqualTo(-1);
    }

    @ParameterizedTest
    @CsvSource({"SAILS, SFT, UPDATE", "SAILS, DPO, GRADIENT", "SAILS, DPO, PENALTY", "SAILS, DPO, CORE", "LORA, DPO, NONE",
        "FULL, SFT, NONE", "FULL, DPO, NONE"})
    void aRunThatIsStoppedAgainAndAgainEndsWithTheSameBytes(Method method, Objective objective, Constraint constraint) throws IOException {
        AlignOptions options = options(method, objective, constraint, PLAIN);
        AlignResult whole = run(options, "whole", false, Integer.MAX_VALUE);
        assertThat(whole.steps()).isEqualTo(12);
        AlignResult result = null;
        for (int attempt = 0; result == null; attempt++) {
            boolean resume = attempt > 0;
            try {
                result = run(options, "parts", resume, 7 + attempt);
            } catch (StoppedException e) {
                assertThat(e).hasMessageContaining("resume=true");
            }
            assertThat(attempt).isLessThan(20);
        }
        assertThat(messages).anyMatch(m -> m.contains("going on after step"));
        assertSame(method == Method.FULL ? "model.safetensors" : "adapter_model.safetensors", "whole", "parts");
        assertThat(result.lossBefore()).isEqualTo(whole.lossBefore());
        assertThat(result.lossAfter()).isEqualTo(whole.lossAfter());
        assertThat(Files.readAllLines(temporary.resolve("parts/metrics.jsonl")))
            .hasSameSizeAs(Files.readAllLines(temporary.resolve("whole/metrics.jsonl")));
        assertThat(temporary.resolve("parts.partial")).doesNotExist();
    }

    @Test
    void theMovingAverageTheBestParametersAndThePatienceGoOnToo() throws IOException {
        TrainingOptions averaged = PLAIN.withOptimizer(o -> {
            o.loraPlusRatio = 4;
            o.decayVectors = true;
            o.emaDecay = 0.8;
            o.state = new OptimizerState(true, Master.F32);
        });
        AlignOptions plain = options(Method.LORA, Objective.DPO, Constraint.NONE, PLAIN);
        List<AlignOptions> variants = List.of(plain.with(o -> o.training = averaged), watched(plain, 2, 0, true),
            watched(plain, 1, 2, true));
        for (int i = 0; i < variants.size(); i++) {
            AlignOptions options = variants.get(i);
            AlignResult whole = run(options, "whole" + i, false, Integer.MAX_VALUE);
            String parts = "parts" + i;
            assertThatThrownBy(() -> run(options, parts, false, 11)).isInstanceOf(StoppedException.class);
            assertThat(run(options, parts, true, Integer.MAX_VALUE).steps()).isEqualTo(whole.steps());
            assertSame("adapter_model.safetensors", "whole" + i, parts);
        }
    }

    @Test
    void remaindersOfBf16ParametersGoOnToo() throws IOException {
        for (boolean in8bit : new boolean[] {false, true}) {
            TrainingOptions training = PLAIN.withOptimizer(o -> {
                o.loraPlusRatio = 1;
                o.decayVectors = false;
                o.emaDecay = 0;
                o.state = new OptimizerState(in8bit, Master.BF16);
            });
            AlignOptions options = options(Method.FULL, Objective.SFT, Constraint.NONE, training);
            run(options, "whole" + in8bit, false, Integer.MAX_VALUE);
            assertThatThrownBy(() -> run(options, "parts" + in8bit, false, 11)).isInstanceOf(StoppedException.class);
            run(options, "parts" + in8bit, true, Integer.MAX_VALUE);
            assertSame("model.safetensors", "whole" + in8bit, "parts" + in8bit);
        }
    }

    @Test
    void aLiveReferenceKeepsNothingAndGoesOn() throws IOException {
        AlignOptions options = options(Method.SAILS, Objective.DPO, Constraint.UPDATE, PLAIN)
            .with(o -> o.objective = o.objective.withReference(Reference.LIVE));
        run(options, "whole", false, Integer.MAX_VALUE);
        assertThatThrownBy(() -> run(options, "parts", false, 11)).isInstanceOf(StoppedException.class);
        assertThat(temporary.resolve("parts.partial/reference_logps.safetensors")).doesNotExist();
        assertThatThrownBy(() -> run(options(Method.SAILS, Objective.DPO, Constraint.UPDATE, PLAIN), "parts", true, 11))
            .isInstanceOf(InputException.class)
            .hasMessageContaining("reference was 'live' and is now 'cached'");
        run(options, "parts", true, Integer.MAX_VALUE);
        assertSame("adapter_model.safetensors", "whole", "parts");
    }

    @Test
    void theBestParametersAreThoseOfTheLowestLoss() throws IOException {
        // A rate that is far too high at the end: the last parameters are not the best.
        TrainingOptions wild = TinyModel.training(30, 14, 0.3).withBatching(b -> b.microBatchTokens = 400)
            .withOptimizer(o -> o.maxGradNorm = 0)
            .with(t -> t.schedule = ScheduleOptions.constant());
        AlignResult result = run(watched(options(Method.LORA, Objective.DPO, Constraint.NONE, wild), 1, 0, true), "best", false,
            Integer.MAX_VALUE);
        double lowest = Files.readAllLines(temporary.resolve("best/metrics.jsonl")).stream()
            .filter(l -> l.contains("\"evaluation\":\"step\""))
            .mapToDouble(l -> JsonFiles.parse(l, "line").get("loss").asDouble()).min().orElseThrow();
        assertThat(result.lossAfter()).isEqualTo(lowest);
    }

    @Test
    void patienceEndsARunEarly() {
        TrainingOptions still = TinyModel.training(30, 14, 0).withBatching(b -> b.microBatchTokens = 400)
            .with(t -> t.schedule = ScheduleOptions.constant());
        assertThat(run(watched(options(Method.LORA, Objective.SFT, Constraint.NONE, still), 1, 3, false), "still", false, Integer.MAX_VALUE)
            .steps()).isEqualTo(4);
    }

    @Test
    void anotherModelDataSetOrOptionIsRefusedByName() {
        AlignOptions options = options(Method.LORA, Objective.SFT, Constraint.NONE, PLAIN);
        assertThatThrownBy(() -> run(options, "out", false, 5)).isInstanceOf(StoppedException.class);
        TrainingOptions other = PLAIN.withAdamw(adamw -> adamw.withLr(0.02));
        assertThatThrownBy(() -> run(options(Method.LORA, Objective.SFT, Constraint.NONE, other), "out", true, 5))
            .isInstanceOf(InputException.class)
            .hasMessageContaining("lr was 0.01 and is now 0.02");
        assertThatThrownBy(() -> run(options, "out", true, 5, Map.of("model.sha256", "other"))).isInstanceOf(InputException.class)
            .hasMessageContaining("provenance.model.sha256 was 'm' and is now 'other'");
        assertThatThrownBy(() -> run(options, "out", false, 5)).isInstanceOf(InputException.class).hasMessageContaining("resume=true");
        assertThatThrownBy(() -> run(options, "nothing", true, 5)).isInstanceOf(InputException.class)
            .hasMessageContaining("nothing to resume");
        assertThat(run(options, "out", true, Integer.MAX_VALUE).steps()).isEqualTo(12);
    }

    @Test
    void anotherDeviceIsSaid() {
        AlignOptions options = options(Method.LORA, Objective.SFT, Constraint.NONE, PLAIN);
        assertThatThrownBy(() -> run(options, "out", false, 5)).isInstanceOf(StoppedException.class);
        try (Engine other = Engine.open(new EngineOptions("cpu", 1, "isa=generic")); CausalModel model = TinyModel.open(other)) {
            new AlignRun(model, Path.of("tiny"), options, null, new RunOrigin(Map.of("model.sha256", "m"), List.of())).run(
                TinyModel.pairs(9, 4), temporary.resolve("out"), Progress.none(),
                new RunControl(true, () -> false, TinyModel.AT_ONCE.peak()));
        }
        assertThat(messages).anyMatch(m -> m.contains("generic") && m.contains("may differ"));
    }

    @Test
    void aDamagedCheckpointIsToldAndTheOneBeforeItServes() throws IOException {
        AlignOptions options = options(Method.LORA, Objective.SFT, Constraint.NONE, PLAIN);
        run(options, "whole", false, Integer.MAX_VALUE);
        assertThatThrownBy(() -> run(options, "parts", false, 12)).isInstanceOf(StoppedException.class);
        Path checkpoints = temporary.resolve("parts.partial/checkpoints");
        List<Path> standing;
        try (Stream<Path> entries = Files.list(checkpoints)) {
            standing = entries.filter(Files::isDirectory).sorted().toList();
        }
        assertThat(standing).as("two are kept").hasSize(2);
        Path state = standing.getLast().resolve("state.safetensors");
        byte[] bytes = Files.readAllBytes(state);
        bytes[bytes.length / 2] ^= 1;
        Files.write(state, bytes);
        run(options, "parts", true, Integer.MAX_VALUE);
        assertThat(messages).anyMatch(m -> m.contains("damaged")).anyMatch(m -> m.contains(standing.getFirst().getFileName().toString()));
        assertSame("adapter_model.safetensors", "whole", "parts");
    }

    @Test
    void aLossThatIsNotFiniteNamesTheStepTheExamplesAndTheLastGoodCheckpoint() {
        TrainingOptions wild = TinyModel.training(20, 0, 1e30);
        assertThatThrownBy(() -> run(
            options(Method.FULL, Objective.SFT, Constraint.NONE, wild).with(o -> o.run = RUN.withCheckpoints(new CheckpointOptions(1, 2))),
            "wild", false, Integer.MAX_VALUE))
            .isInstanceOf(TrainingException.class).hasMessageContaining("examples")
            .hasMessageContaining("the last good checkpoint is that of step");
    }
}
