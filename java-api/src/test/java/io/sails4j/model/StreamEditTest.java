package io.sails4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.InputException;
import io.sails4j.ops.Engine;
import io.sails4j.ops.Graphs;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.testing.Backends;
import io.sails4j.testing.LlamaOracle;
import io.sails4j.testing.TinyModel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Edits of the residual stream: where they are called, what they change, and what there is not with them. */
class StreamEditTest {
    private static final int[] PROMPT = {1, 7, 11, 13, 5, 31, 8};
    private static final StreamEdit NOTHING = (_, _, _, _) -> {};
    /** f32 sums of some dozens of terms of order one through two layers, in another order. */
    private static final Offset<Double> ROUNDING = Offset.offset(2e-5);

    private static CausalModel llama(Engine engine) {
        return new CausalModel(engine, ModelWeights.random(TinyModel.LLAMA, engine, DType.F32, 7), false);
    }

    private static float[] direction(int seed) {
        float[] values = new float[(int) TinyModel.LLAMA.dModel()];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) Math.sin(seed + 1.7 * i);
        }
        return values;
    }

    /** Adds to every row, by way of memory of its own. */
    private static StreamEdit adding(Site where, int at, float[] vector, float factor) {
        return (site, layer, stream, memory) -> {
            if (site == where && layer == at) {
                Tensor row = memory.of(vector, vector.length);
                Tensor copy = memory.allocate(DType.F32, stream.shape().toArray());
                copy.copyFrom(stream);
                float[] values = copy.toFloatArray();
                float[] add = row.toFloatArray();
                for (int i = 0; i < values.length; i++) {
                    values[i] += factor * add[i % add.length];
                }
                stream.upload(values);
            }
        };
    }

    private static float[] logits(ModelSession session, int[] ids, StreamEdit edit) {
        try (ForwardPass pass = session.forward(TokenBatch.of(ids), AdapterStack.none(), ForwardOptions.inference().withEdit(edit))) {
            return session.logits(pass, null).toFloatArray();
        }
    }

    private static List<float[]> generated(ModelSession session, int[] prompt, StreamEdit edit, int tokens) {
        List<float[]> seen = new ArrayList<>();
        int[] ids = new Generator(session, AdapterStack.none(), edit).generate(prompt, GenerationOptions.greedy(tokens, Set.of()),
            (_, logits) -> seen.add(logits.toFloatArray()));
        float[] chosen = new float[ids.length];
        IntStream.range(0, ids.length).forEach(i -> chosen[i] = ids[i]);
        seen.add(chosen);
        return seen;
    }

    private static List<int[]> batched(ModelSession session, List<int[]> prompts, StreamEdit edit, int tokens) {
        int[][] answers = new int[prompts.size()][];
        try (BatchGenerator generator = new BatchGenerator(session, AdapterStack.none(), GenerationOptions.greedy(tokens, Set.of()),
            new BatchOptions(3, 2, 32), edit, null)) {
            generator.run(IntStream.range(0, prompts.size()).mapToObj(i -> new BatchGenerator.Request(i, prompts.get(i))).iterator(),
                result -> answers[(int) result.request().number()] = result.newIds());
        }
        return Arrays.asList(answers);
    }

    @ParameterizedTest
    @ValueSource(strings = {"cpu", "emulator"})
    void anEditThatDoesNothingChangesNoBit(String backend) {
        for (boolean gemma : new boolean[] {true, false}) {
            try (Engine engine = Backends.open(backend, backend.equals("cpu") ? 1 : 0);
                 CausalModel model = gemma ? TinyModel.open(engine) : llama(engine); ModelSession session = ModelSession.open(model)) {
                float[] plain;
                try (ForwardPass pass = session.forward(TokenBatch.of(PROMPT), AdapterStack.none(), ForwardOptions.inference())) {
                    plain = session.logits(pass, null).toFloatArray();
                }
                assertThat(logits(session, PROMPT, NOTHING)).isEqualTo(plain);
                List<float[]> steps = generated(session, PROMPT, NOTHING, 4);
                List<float[]> expected = new ArrayList<>();
                int[] ids = new Generator(session, AdapterStack.none()).generate(PROMPT, GenerationOptions.greedy(4, Set.of()),
                    (_, logits) -> expected.add(logits.toFloatArray()));
                for (int i = 0; i < expected.size(); i++) {
                    assertThat(steps.get(i)).as("step %d", i).isEqualTo(expected.get(i));
                }
                assertThat(batched(session, List.of(PROMPT, PROMPT), NOTHING, 4)).allSatisfy(a -> assertThat(a).isEqualTo(ids));
            }
        }
    }

    @Test
    void addingAVectorIsWhatASlowModelComputes() {
        float[] vector = direction(3);
        try (Engine engine = Backends.open("cpu", 1); CausalModel model = llama(engine); ModelSession session = ModelSession.open(model)) {
            for (int at : new int[] {Site.NO_LAYER, 0, 1}) {
                double[][] expected = LlamaOracle.of(model).logits(PROMPT, (layer, stream) -> {
                    if (layer == at) {
                        for (double[] row : stream) {
                            Arrays.setAll(row, i -> row[i] + 0.5 * vector[i]);
                        }
                    }
                });
                float[] actual = logits(session, PROMPT, adding(at < 0 ? Site.EMBED : Site.LAYER, at, vector, 0.5f));
                for (int i = 0; i < actual.length; i++) {
                    assertThat((double) actual[i]).isCloseTo(expected[i / 61][i % 61], ROUNDING);
                }
            }
        }
    }

    /** Each step is what a forward over the whole sequence gives that is edited everywhere. */
    @ParameterizedTest
    @ValueSource(strings = {"cpu", "emulator"})
    void generationWithACacheIsRepeatedWholeForwards(String backend) {
        StreamEdit edit = adding(Site.EMBED, Site.NO_LAYER, direction(1), 0.2f).andThen(adding(Site.MID, 1, direction(2), 2))
            .andThen(adding(Site.LAYER, 0, direction(3), -1));
        int tokens = backend.equals("cpu") ? 8 : 3;
        try (Engine engine = Backends.open(backend); CausalModel model = TinyModel.open(engine);
             ModelSession session = ModelSession.open(model)) {
            List<float[]> steps = generated(session, PROMPT, edit, tokens);
            int[] ids = PROMPT;
            for (int step = 0; step < tokens; step++) {
                float[] all = logits(session, ids, edit);
                float[] last = Arrays.copyOfRange(all, all.length - 61, all.length);
                for (int v = 0; v < last.length; v++) {
                    assertThat((double) steps.get(step)[v]).isCloseTo(last[v], ROUNDING);
                }
                int next = IntStream.range(0, 61).boxed().max((a, b) -> Float.compare(last[a], last[b])).orElseThrow();
                assertThat((int) steps.getLast()[step]).isEqualTo(next);
                ids = Arrays.copyOf(ids, ids.length + 1);
                ids[ids.length - 1] = next;
            }
            int[] fresh = Arrays.copyOfRange(ids, PROMPT.length, ids.length);
            List<int[]> prompts = List.of(PROMPT, new int[] {1, 9}, PROMPT, new int[] {1, 20, 21, 22});
            List<int[]> answers = batched(session, prompts, edit, tokens);
            assertThat(answers.get(0)).isEqualTo(fresh);
            assertThat(answers.get(2)).isEqualTo(fresh);
            assertThat(answers.get(3)).isEqualTo(
                new Generator(session, AdapterStack.none(), edit).generate(prompts.get(3), GenerationOptions.greedy(tokens, Set.of()),
                    null));
        }
    }

    @Test
    void aListenerSeesWhatTheEditLeft() {
        List<String> seen = new ArrayList<>();
        List<String> edited = new ArrayList<>();
        try (Engine engine = Backends.open("cpu", 1); CausalModel model = TinyModel.open(engine);
             ModelSession session = ModelSession.open(model)) {
            StreamEdit zeros = (site, layer, stream, _) -> {
                stream.fillZero();
                edited.add(site.title(layer));
            };
            session.forward(TokenBatch.of(PROMPT), AdapterStack.none(), new ForwardOptions(false, -1, (site, layer, value) -> {
                if (site.residualStream()) {
                    assertThat(value.toFloatArray()).containsOnly(0);
                    seen.add(site.title(layer));
                }
            }).withEdit(zeros)).close();
        }
        assertThat(seen).isEqualTo(edited).containsExactly("hidden.embed", "hidden.mid.0", "hidden.layer.0", "hidden.mid.1",
            "hidden.layer.1");
    }

    @Test
    void thereIsNoBackwardAndNoRecording() {
        assertThatThrownBy(() -> ForwardOptions.training().withEdit(NOTHING)).isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("no backward");
        try (Engine engine = Backends.open("emulator"); CausalModel model = TinyModel.open(engine);
             ModelSession session = ModelSession.open(model)) {
            GenerationOptions options = GenerationOptions.greedy(2, Set.of()).withGraphs(Graphs.ON);
            assertThatThrownBy(() -> new Generator(session, AdapterStack.none(), NOTHING).generate(PROMPT, options, null))
                .isInstanceOf(InputException.class).hasMessageContaining("graphs are on");
        }
    }
}
