package io.sails4j.backends;

import static org.assertj.core.api.Assertions.assertThat;

import io.sails4j.config.ModelConfig;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.BatchDecoder;
import io.sails4j.model.BatchOptions;
import io.sails4j.model.CausalModel;
import io.sails4j.model.DecodeRequest;
import io.sails4j.model.GenerationOptions;
import io.sails4j.model.ModelSession;
import io.sails4j.model.ModelWeights;
import io.sails4j.monitor.Action;
import io.sails4j.monitor.Monitor;
import io.sails4j.monitor.MonitorSpec;
import io.sails4j.monitor.MonitoredSequence;
import io.sails4j.monitor.Part;
import io.sails4j.monitor.Rule;
import io.sails4j.monitor.Signal;
import io.sails4j.monitor.Trigger;
import io.sails4j.ops.Engine;
import io.sails4j.ops.Graphs;
import io.sails4j.sae.Sae;
import io.sails4j.sae.SaeFixture;
import io.sails4j.steer.Feature;
import io.sails4j.steer.FeatureChange;
import io.sails4j.tensor.Backend;
import io.sails4j.tensor.DType;
import io.sails4j.testing.Backends;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A monitor is part of a step: recorded and launched whole it reads and steers as the same operations do one by one, on every backend. */
class MonitoredDecodingTest {
    private static final ModelConfig CONFIG = ModelConfig.gemma2().vocabSize(97).dModel(24).layers(2).heads(4, 2).headDim(6).dFf(40)
        .slidingWindow(5).maxPositionEmbeddings(128).checkpointDtype(DType.F32).build();
    private static final int[] PROMPT = {2, 7, 11, 30, 5, 9};
    private static final int TOKENS = 5;
    /** Products of 24 numbers of about 10, in another order. */
    private static final Offset<Double> ROUNDING = Offset.offset(24 * 100 * 0x1p-24 * 8);

    @TempDir
    private Path directory;

    private record Ran(int[] tokens, List<Double> activations, int events) {
    }

    private Ran run(String backend, Graphs graphs) {
        Feature watched = new Feature(0, 12);
        // On from the first token, and it stays: every step but the first chunk is steered.
        Rule rule = new Rule("push", new Signal(0, List.of(new Signal.Term(12, 1), new Signal.Term(30, -1))), Part.ALL,
            new Trigger(Trigger.Side.ABOVE, -1e9, -1e9, 1), new Action.Steer(List.of(new FeatureChange.Steered(new Feature(1, 4), 20))));
        List<Double> activations = new ArrayList<>();
        try (Engine engine = Backends.open(backend, 1); Sae sae = Sae.load(new SaeFixture(24, 40, 5, "b_enc").saeLens(directory), engine);
             CausalModel model = new CausalModel(engine, ModelWeights.random(CONFIG, engine, DType.F32, 3), false);
             ModelSession session = ModelSession.open(model);
             Monitor monitor = Monitor.open(model, Map.of(0, sae, 1, sae), MonitorSpec.of(List.of(rule), Map.of(0, sae)));
             BatchDecoder decoder = new BatchDecoder(session, new BatchOptions(2, 2, 24), 4, null, monitor, graphs)) {
            MonitoredSequence listener = monitor.begin(PROMPT.length, token -> {
                double value = 0;
                for (int i = 0; i < token.active(watched.layer()); i++) {
                    value = token.feature(watched.layer(), i) == watched.index() ? token.activation(watched.layer(), i) : value;
                }
                activations.add(value);
            });
            BatchDecoder.Sequence sequence = decoder
                .add(new DecodeRequest(PROMPT, AdapterStack.none(), GenerationOptions.greedy(TOKENS, Set.of()), 0, listener, -1));
            while (!sequence.ended()) {
                if (sequence.awaitsPrompt()) {
                    decoder.read(sequence);
                } else {
                    decoder.step();
                }
            }
            assertThat(engine.backend()).isEqualTo(backend.startsWith("emulator") ? Backend.EMULATOR : Backend.CPU);
            return new Ran(sequence.tokens(), activations, listener.events().size());
        }
    }

    @Test
    void recordedOrNotAndOnEveryBackend() {
        Ran cpu = run("cpu", Graphs.OFF);
        Ran emulator = run("emulator", Graphs.OFF);
        Ran recorded = run("emulator", Graphs.ON);
        assertThat(recorded.tokens).isEqualTo(emulator.tokens).isEqualTo(cpu.tokens);
        assertThat(recorded.activations).isEqualTo(emulator.activations).hasSize(PROMPT.length + TOKENS - 1);
        for (int i = 0; i < cpu.activations.size(); i++) {
            assertThat(emulator.activations.get(i)).as("token %d", i).isCloseTo(cpu.activations.get(i), ROUNDING);
        }
        assertThat(List.of(cpu.events, emulator.events, recorded.events)).containsOnly(1);
        assertThat(cpu.activations.stream().filter(a -> a > 0)).isNotEmpty();
    }
}
