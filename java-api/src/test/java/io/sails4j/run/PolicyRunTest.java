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
import io.sails4j.data.Origin;
import io.sails4j.data.Progress;
import io.sails4j.data.TokenPrompt;
import io.sails4j.data.Wanted;
import io.sails4j.files.JsonFiles;
import io.sails4j.model.CausalModel;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.ops.Graphs;
import io.sails4j.testing.Backends;
import io.sails4j.testing.TinyModel;
import io.sails4j.train.Batching;
import io.sails4j.train.CheckpointOptions;
import io.sails4j.train.Execution;
import io.sails4j.train.Objective;
import io.sails4j.train.ObjectiveOptions;
import io.sails4j.train.PolicyOptions;
import io.sails4j.train.PolicyTask;
import io.sails4j.train.RecomputeOption;
import io.sails4j.train.Reference;
import io.sails4j.train.Reward;
import io.sails4j.train.RunControl;
import io.sails4j.train.RunOptions;
import io.sails4j.train.RunOrigin;
import io.sails4j.train.SamplingOptions;
import io.sails4j.train.ScheduleOptions;
import io.sails4j.train.StoppedException;
import io.sails4j.train.TrainingException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Runs that learn from rewards of their own answers. */
class PolicyRunTest {
    /** The share of an answer's tokens that are below 20 of 61. */
    private static final Reward SMALL_IDS = Reward.of(answer -> Arrays.stream(answer.text().split(" ")).mapToInt(Integer::parseInt)
        .filter(id -> id < 20).count() / (double) answer.tokens());

    @TempDir
    private Path temporary;
    private final Engine engine = Engine.open(EngineOptions.defaults());

    @AfterEach
    void close() {
        engine.close();
    }

    private static List<TokenPrompt> prompts(int count) {
        Random random = new Random(2);
        return IntStream.range(0, count).mapToObj(i -> new TokenPrompt(random.ints(3 + i % 3, 0, 61).toArray(), "prompt " + i,
            Wanted.COMPLY, Origin.line(Path.of("prompts"), i + 1))).toList();
    }

    private static PolicyTask task(Reward reward) {
        return new PolicyTask(prompts(4), reward,
            ids -> String.join(" ", Arrays.stream(ids).mapToObj(String::valueOf).toList()), Set.of(2));
    }

    private static AlignOptions options(Method method, Objective objective, Constraint constraint, int steps, double lr,
        Consumer<PolicyOptions.Builder> policy) {
        return new AlignOptions(method, ObjectiveOptions.of(objective).withPolicy(p -> {
            p.samples = 4;
            p.promptsPerStep = 2;
            p.klBeta = 0.01;
            p.sampling = new SamplingOptions(3, 1, 1, 16, 8);
            policy.accept(p);
        }), new AdapterOptions(EnumSet.of(Projection.Q_PROJ, Projection.O_PROJ, Projection.DOWN_PROJ), 3, 3, AdapterVariant.plain()),
            new ConstraintOptions(constraint, 0.1, Fill.AUTO),
            TinyModel.training(100, steps, lr).withBatching(b -> b.batchTokens = Batching.defaults().batchTokens()),
            RunOptions.of(4).withCheckpoints(new CheckpointOptions(2, 2)));
    }

    private AlignResult run(AlignOptions options, PolicyTask task, String out, boolean resume, int asked) {
        return run(engine, options, task, out, resume, asked);
    }

    private AlignResult run(Engine on, AlignOptions options, PolicyTask task, String out, boolean resume, int asked) {
        AtomicInteger begun = new AtomicInteger();
        try (CausalModel model = TinyModel.open(on)) {
            return new AlignRun(model, Path.of("tiny"), options, options.method() == Method.SAILS ? TinyModel.subspace(3, 3, 0) : null,
                RunOrigin.unknown()).run(task, temporary.resolve(out), Progress.none(),
                    new RunControl(resume, () -> begun.getAndIncrement() >= asked, TinyModel.AT_ONCE.peak()));
        }
    }

    private List<JsonNode> steps(String out) throws IOException {
        return Files.readAllLines(temporary.resolve(out).resolve("metrics.jsonl")).stream().map(l -> JsonFiles.parse(l, "metrics"))
            .filter(l -> !l.has("evaluation")).toList();
    }

    @Test
    void aRewardThatIsEasyToGetRises() throws IOException {
        AlignOptions options = options(Method.LORA, Objective.RLOO, Constraint.NONE, 12, 0.03, p -> p.samples = 8).with(o -> {
            o.training = o.training.with(t -> t.schedule = ScheduleOptions.constant()).withBatching(b -> b.microBatchTokens = 200);
            o.adapter = new AdapterOptions(EnumSet.allOf(Projection.class), 4, 16, AdapterVariant.plain());
        });
        PolicyTask task = task(SMALL_IDS);
        AlignResult result = run(options, task.withPrompts(task.prompts().subList(0, 2)), "out", false, Integer.MAX_VALUE);
        List<JsonNode> steps = steps("out");
        assertThat(steps).hasSize(12);
        double first = steps.subList(0, 3).stream().mapToDouble(s -> s.get("reward").asDouble()).average().orElseThrow();
        double last = steps.subList(9, 12).stream().mapToDouble(s -> s.get("reward").asDouble()).average().orElseThrow();
        assertThat(first).isBetween(0.1, 0.5);
        assertThat(last).isGreaterThan(first + 0.2);
        assertThat(-result.lossAfter()).as("greedy answers to the evaluation prompts").isGreaterThan(-result.lossBefore());
        assertThat(steps.getFirst().get("kl").asDouble()).isZero();
        assertThat(steps.getLast().get("kl").asDouble()).isPositive();
        assertThat(steps.getLast().get("answers").asInt()).isEqualTo(16);
        assertThat(steps.getLast().has("clip_fraction")).isFalse();
        assertThat(temporary.resolve("out/metrics.svg")).content().contains("KL to the untrained model");
        assertThat(JsonFiles.read(temporary.resolve("out/sails_run.json")).get("reward_after").asDouble()).isEqualTo(-result.lossAfter());
    }

    @ParameterizedTest
    @CsvSource({"LORA, RLOO, NONE, 1", "SAILS, GRPO, UPDATE, 3"})
    void aRunThatIsStoppedAgainAndAgainEndsWithTheSameBytes(Method method, Objective objective, Constraint constraint, int inner)
        throws IOException {
        AlignOptions options = options(method, objective, constraint, 4, 0.01, p -> {
            p.innerUpdates = inner;
        });
        AlignResult whole = run(options, task(SMALL_IDS), "whole", false, Integer.MAX_VALUE);
        AlignResult result = null;
        for (int attempt = 0; result == null; attempt++) {
            try {
                // Within the answers of a batch, and between the steps that learn from them.
                result = run(options, task(SMALL_IDS), "parts", attempt > 0, 15 + attempt);
            } catch (StoppedException e) {
                assertThat(e).hasMessageContaining("resume=true");
            }
            assertThat(attempt).isLessThan(20);
        }
        String file = "adapter_model.safetensors";
        assertThat(Files.mismatch(temporary.resolve("whole").resolve(file), temporary.resolve("parts").resolve(file))).isEqualTo(-1);
        assertThat(result.lossAfter()).isEqualTo(whole.lossAfter());
        assertThat(steps("parts").stream().map(s -> s.get("reward")).toList())
            .isEqualTo(steps("whole").stream().map(s -> s.get("reward")).toList());
    }

    @Test
    void everyKindOfAdapterLearnsFromRewards() {
        for (AdapterVariant variant : List.of(AdapterVariant.plain().with(v -> v.useDora = true),
            AdapterVariant.plain().with(v -> v.init = AdapterVariant.Init.PISSA))) {
            AlignOptions options = options(Method.LORA, Objective.RLOO, Constraint.NONE, 1, 0.01, p -> {})
                .with(o -> o.adapter = o.adapter.withVariant(variant));
            assertThat(run(options, task(SMALL_IDS), variant.init() + "" + variant.useDora(), false, Integer.MAX_VALUE).steps())
                .isEqualTo(1);
        }
        assertThat(run(options(Method.SAILS, Objective.RLOO, Constraint.CORE, 1, 0.01, p -> {}), task(SMALL_IDS), "core", false,
            Integer.MAX_VALUE).steps()).isEqualTo(1);
        assertThat(run(options(Method.FULL, Objective.GRPO, Constraint.NONE, 1, 0.01, p -> p.klBeta = 0), task(SMALL_IDS), "full", false,
            Integer.MAX_VALUE).steps()).isEqualTo(1);
    }

    @Test
    void theAnswersDoNotDependOnHowManyAreSampledAtATime() throws IOException {
        for (int sequences : new int[] {1, 32}) {
            run(options(Method.LORA, Objective.RLOO, Constraint.NONE, 1, 0.01, p -> p.sampling = new SamplingOptions(3,
                1, 1, sequences, 8)), task(SMALL_IDS), "at" + sequences, false, Integer.MAX_VALUE);
        }
        assertThat(Files.mismatch(temporary.resolve("at1/adapter_model.safetensors"), temporary.resolve("at32/adapter_model.safetensors")))
            .isEqualTo(-1);
    }

    @Test
    void recordedPassesGiveTheSameBits() throws IOException {
        try (Engine emulator = Backends.open("emulator")) {
            for (Graphs graphs : List.of(Graphs.ON, Graphs.OFF)) {
                AlignOptions options = options(Method.LORA, Objective.GRPO, Constraint.NONE, 3, 0.05, p -> {
                    p.innerUpdates = 3;
                    p.samples = 2;
                    p.promptsPerStep = 1;
                }).with(o -> {
                    o.training = o.training.with(t -> t.execution = new Execution(RecomputeOption.off(), graphs));
                    o.run = RunOptions.of(1);
                });
                run(emulator, options, task(SMALL_IDS), graphs.name(), false, Integer.MAX_VALUE);
            }
        }
        assertThat(JsonFiles.read(temporary.resolve("ON/sails_run.json")).get("graph_launches").asInt()).isPositive();
        assertThat(Files.mismatch(temporary.resolve("ON/adapter_model.safetensors"), temporary.resolve("OFF/adapter_model.safetensors")))
            .isEqualTo(-1);
    }

    @Test
    void aRewardThatIsNoNumberOrFailsEndsTheRunWithTheLastCheckpoint() {
        AtomicInteger asked = new AtomicInteger();
        AlignOptions options = options(Method.LORA, Objective.RLOO, Constraint.NONE, 7, 0.01, p -> {});
        // The evaluation before the first step asks for 4, each step for 8.
        Reward broken = Reward.of(_ -> asked.getAndIncrement() < 4 + 2 * 8 ? 1 : Double.NaN);
        assertThatThrownBy(() -> run(options, task(broken), "nan", false, Integer.MAX_VALUE)).isInstanceOf(TrainingException.class)
            .hasMessageContaining("of prompts is NaN, expected a finite number; the last good checkpoint is that of step 2");
        asked.set(0);
        Reward failing = Reward.of(_ -> {
            if (asked.getAndIncrement() < 4 + 3 * 8) {
                return 1;
            }
            throw new InputException("the server went away");
        });
        assertThatThrownBy(() -> run(options, task(failing), "gone", false, Integer.MAX_VALUE)).isInstanceOf(InputException.class)
            .hasMessage("the server went away; the last good checkpoint is that of step 3 in " + temporary.resolve("gone.partial"));
        assertThatThrownBy(() -> run(options, task(_ -> List.of()), "none", false, Integer.MAX_VALUE))
            .isInstanceOf(TrainingException.class).hasMessageContaining("gave 0 grades for 4 answers");
    }

    @Test
    void whatDoesNotGoTogetherIsRefused() {
        AlignOptions rloo = options(Method.LORA, Objective.RLOO, Constraint.NONE, 2, 0.01, p -> {});
        refused(() -> rloo.objective().withPolicy(p -> p.innerUpdates = 2), "the objective 'rloo' does not use inner_updates");
        refused(() -> ObjectiveOptions.sft().withPolicy(p -> p.samples = 8), "the objective 'sft' does not use samples");
        refused(() -> rloo.objective().withBeta(0.2), "kl_beta");
        refused(() -> rloo.objective().withReference(Reference.LIVE), "reference=live");
        refused(() -> rloo.objective().withPolicy(p -> p.samples = 1), "samples is 1, expected 2 or more");
        refused(() -> rloo.with(o -> o.method = Method.FULL), "kl_beta=0");
        refused(() -> rloo.with(o -> o.training = o.training.withBatching(b -> b.batchTokens = 60)), "does not use batch_tokens");
        refused(() -> run(rloo.with(o -> o.objective = ObjectiveOptions.sft()), task(SMALL_IDS), "sft", false, 0), "objective=rloo");
        refused(() -> run(options(Method.LORA, Objective.GRPO, Constraint.NONE, 2, 0.01,
            p -> p.sampling = p.sampling.withMaxNewTokens(500)), task(SMALL_IDS), "long", false, 0), "line 1 of prompts has a prompt of 3");
        try (CausalModel model = TinyModel.open(engine)) {
            refused(() -> new AlignRun(model, Path.of("tiny"), rloo, null, RunOrigin.unknown()).run(TinyModel.pairs(8, 4),
                temporary.resolve("pairs"), Progress.none()), "not from pairs");
        }
        AlignOptions other = options(Method.LORA, Objective.RLOO, Constraint.NONE, 7, 0.01, p -> p.klBeta = 0.2);
        assertThatThrownBy(() -> run(rloo, task(SMALL_IDS), "other", false, 0)).isInstanceOf(StoppedException.class);
        refused(() -> run(other, task(SMALL_IDS), "other", true, 0), "kl_beta was 0.01 and is now 0.2");
    }

    private static void refused(Runnable what, String sentence) {
        assertThatThrownBy(what::run).isInstanceOf(InputException.class).hasMessageContaining(sentence);
    }
}
