package io.sails4j.loop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.InputException;
import io.sails4j.adaptation.AdapterInitialiser;
import io.sails4j.align.AdapterOptions;
import io.sails4j.align.AdapterVariant;
import io.sails4j.config.Projection;
import io.sails4j.data.TokenPair;
import io.sails4j.data.TokenSequence;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.objective.Loss;
import io.sails4j.objective.PassContext;
import io.sails4j.objective.PreferenceLoss;
import io.sails4j.objective.SftLoss;
import io.sails4j.ops.Engine;
import io.sails4j.ops.Graphs;
import io.sails4j.ops.PreferenceKind;
import io.sails4j.testing.Backends;
import io.sails4j.testing.TinyModel;
import io.sails4j.train.Execution;
import io.sails4j.train.RecomputeOption;
import io.sails4j.train.TrainingOptions;
import io.sails4j.trainable.FullTrainable;
import io.sails4j.trainable.LoraTrainable;
import io.sails4j.trainable.Trainable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Passes that are recorded and launched train as passes that are called, bit for bit. */
class GraphTrainingTest {
    /** Two shapes that take turns, and one that comes once. */
    private static List<TokenPair> pairs() {
        List<TokenPair> pairs = new ArrayList<>();
        for (int i = 0; i < 9; i++) {
            pairs.add(new TokenPair(sequence(i == 4 ? 11 : 5 + i % 2, i), sequence(5 + i % 2, 20 + i)));
        }
        return pairs;
    }

    private static TokenSequence sequence(int length, int seed) {
        boolean[] counted = new boolean[length];
        Arrays.fill(counted, length / 2, length, true);
        return new TokenSequence(IntStream.range(0, length).map(t -> (t * 7 + seed * 3) % 61).toArray(), counted);
    }

    private static Loss loss(String objective) {
        return switch (objective) {
            case "sft" -> new SftLoss(pairs().stream().map(TokenPair::aligned).toList());
            case "dpo" -> new PreferenceLoss(pairs(), 0.2);
            case "live" -> new PreferenceLoss(pairs(), 0.2, PreferenceKind.DPO, true);
            default -> new PreferenceLoss(pairs(), 0.2, PreferenceKind.ORPO);
        };
    }

    private static LoraAdapter adapter(CausalModel model, boolean dora) {
        if (!dora) {
            return TinyModel.randomAdapter(model.engine(), 4);
        }
        return AdapterInitialiser.plain(model,
            new AdapterOptions(EnumSet.of(Projection.Q_PROJ, Projection.O_PROJ, Projection.GATE_PROJ), 3, 6,
                AdapterVariant.plain().with(v -> v.useDora = true)),
            0, "tiny");
    }

    private record Trained(List<float[]> parameters, List<Double> losses, long launches) {
    }

    private static Trained train(String backend, String method, Loss loss, RecomputeOption recompute, Graphs graphs) {
        // A step is two pairs, a micro-batch one of them.
        TrainingOptions options = TinyModel.training(3, 10, 3e-3).withBatching(b -> {
            b.batchTokens = 24;
            b.microBatchTokens = 1;
        }).withAdamw(adamw -> adamw.withWeightDecay(0.01)).with(t -> {
            t.execution = new Execution(recompute, graphs);
            t.seed = 2;
        });
        try (Engine engine = Backends.open(backend); CausalModel model = TinyModel.open(engine);
             LoraAdapter adapter = adapter(model, method.equals("dora"));
             Trainable trainable = method.equals("full") ? new FullTrainable(model) : new LoraTrainable(adapter, engine.device());
             TrainingLoop loop = new TrainingLoop(model, trainable, loss, options, StepHook.none(), System::nanoTime);
             PassContext other = PassContext.of(loop.session())) {
            loop.prepare();
            List<Double> losses = new ArrayList<>();
            while (!loop.finished()) {
                long waits = engine.device().waits();
                losses.add(loop.step(() -> false).loss());
                assertThat(engine.device().waits() - waits).as("waits of step " + loop.steps()).isEqualTo(1);
                if (loop.steps() == 5) {
                    // A pass that is larger than any of the training moves the session's memory.
                    new SftLoss(List.of(sequence(40, 1), sequence(40, 2))).sum(other, AdapterStack.none(), new int[] {0, 1});
                }
            }
            return new Trained(trainable.parameters().stream().map(p -> p.value().toFloatArray()).toList(), losses, loop.graphLaunches());
        }
    }

    @ParameterizedTest
    @CsvSource({"lora, sft, off", "lora, dpo, selective", "lora, live, full", "dora, orpo, off", "full, sft, selective", "full, dpo, 1"})
    void theBitsAreTheSame(String method, String objective, String recompute) {
        RecomputeOption again = switch (recompute) {
            case "off" -> RecomputeOption.off();
            case "selective" -> RecomputeOption.selective();
            case "full" -> RecomputeOption.full();
            default -> RecomputeOption.lowest(1);
        };
        Trained called = train("emulator", method, loss(objective), again, Graphs.OFF);
        Trained launched = train("emulator", method, loss(objective), again, Graphs.AUTO);
        assertThat(called.launches).isZero();
        assertThat(launched.launches).as("of about 20 passes").isGreaterThan(10);
        assertThat(launched.losses).isEqualTo(called.losses);
        for (int i = 0; i < called.parameters.size(); i++) {
            assertThat(launched.parameters.get(i)).containsExactly(called.parameters.get(i));
        }
    }

    @Test
    void aBackendThatRecordsNothingSaysSoOrRunsWithout() {
        assertThat(train("cpu", "lora", loss("sft"), RecomputeOption.off(), Graphs.AUTO).launches).isZero();
        assertThatThrownBy(() -> train("cpu", "lora", loss("sft"), RecomputeOption.off(), Graphs.ON)).isInstanceOf(InputException.class)
            .hasMessageContaining("cpu").hasMessageContaining("graphs=auto");
    }

    @Test
    void aLoopThatCannotBeMadeLeavesNoSession() {
        TrainingOptions options = TrainingOptions.defaults().with(t -> t.execution = new Execution(RecomputeOption.off(), Graphs.ON));
        try (Engine engine = Backends.open("cpu")) {
            CausalModel model = TinyModel.open(engine);
            try (LoraAdapter adapter = adapter(model, false); LoraTrainable trainable = new LoraTrainable(adapter, engine.device())) {
                assertThatThrownBy(() -> new TrainingLoop(model, trainable, loss("sft"), options, StepHook.none(), System::nanoTime))
                    .isInstanceOf(InputException.class);
            }
            assertThat(engine.device().allocatedBytes()).as("the weights").isPositive();
            model.close();
            assertThat(engine.device().allocatedBytes()).isZero();
        }
    }
}
