package io.sails4j.steer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.InputException;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.GenerationOptions;
import io.sails4j.model.Generator;
import io.sails4j.model.ModelSession;
import io.sails4j.model.Site;
import io.sails4j.model.StreamEdit;
import io.sails4j.model.TokenBatch;
import io.sails4j.ops.Engine;
import io.sails4j.sae.Sae;
import io.sails4j.sae.SaeFixture;
import io.sails4j.sae.SparseCodes;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import io.sails4j.testing.Backends;
import io.sails4j.testing.TinyModel;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Changes of features against whole codes decoded before and after, and what the model makes of them. */
class FeatureEditsTest {
    private static final int D = (int) TinyModel.CONFIG.dModel();
    private static final int D_SAE = 50;
    private static final int TOKENS = 5;
    /** Sums of up to 50 products of numbers up to about 16, times a standard deviation of about 3. */
    private static final Offset<Float> ROUNDING = Offset.offset(4 * 50 * 48 * 0x1p-24f);

    @TempDir
    private Path directory;

    private static float[] drawn(int n) {
        Random random = new Random(3);
        float[] values = new float[n];
        for (int i = 0; i < n; i++) {
            values[i] = (float) (1 + 3 * random.nextGaussian());
        }
        return values;
    }

    private static SaeFixture relu() {
        return new SaeFixture(D, D_SAE, 5, "b_enc");
    }

    private static float[] edited(Engine engine, Sae sae, float[] x, FeatureChange... changes) {
        StreamEdit edit = FeatureEdits.of(TinyModel.CONFIG, Map.of(1, sae), List.of(changes));
        try (TensorArena memory = new TensorArena(engine.device())) {
            Tensor stream = memory.of(x, x.length / D, D);
            edit.edit(Site.MID, 1, stream, memory);
            edit.edit(Site.LAYER, 0, stream, memory);
            assertThat(stream.toFloatArray()).as("other places").isEqualTo(x);
            edit.edit(Site.LAYER, 1, stream, memory);
            return stream.toFloatArray();
        }
    }

    /** h + decode(z') - decode(z), each decoded whole, with z' made on the host. */
    private static float[] slow(Engine engine, Sae sae, float[] x, FeatureChange... changes) {
        try (TensorArena memory = new TensorArena(engine.device())) {
            SparseCodes z = sae.encode(memory.of(x, x.length / D, D), memory);
            float[] before = sae.decode(z, memory).toFloatArray();
            float[] acts = sae.densify(z, memory).toFloatArray();
            for (int i = 0; i < acts.length; i++) {
                for (FeatureChange change : changes) {
                    acts[i] = i % D_SAE == change.feature().index() ? change.changed(acts[i]) : acts[i];
                }
            }
            int[] indices = new int[acts.length];
            Arrays.setAll(indices, i -> i % D_SAE);
            int[] counts = new int[acts.length / D_SAE];
            Arrays.fill(counts, D_SAE);
            float[] after = sae.decode(new SparseCodes(memory.of(indices, counts.length, D_SAE), memory.of(acts, counts.length, D_SAE),
                memory.of(counts, counts.length), z.input(), z.mean(), z.std()), memory).toFloatArray();
            float[] result = x.clone();
            for (int i = 0; i < x.length; i++) {
                result[i] += after[i] - before[i];
            }
            return result;
        }
    }

    private void check(SaeFixture fixture) {
        float[] x = drawn(TOKENS * D);
        FeatureChange[] changes = {new FeatureChange.Clamped(new Feature(1, 31), 4), new FeatureChange.Steered(new Feature(1, 7), -2.5f),
            FeatureChange.ablated(new Feature(1, 12)), FeatureChange.ablated(new Feature(1, 13)),
            FeatureChange.ablated(new Feature(1, 14))};
        try (Engine engine = Backends.open("cpu", 1); Sae sae = Sae.load(fixture.saeLens(directory.resolve("sae")), engine)) {
            float[] expected = slow(engine, sae, x, changes);
            float[] actual = edited(engine, sae, x, changes);
            for (int i = 0; i < x.length; i++) {
                assertThat(actual[i]).isCloseTo(expected[i], ROUNDING);
            }
            assertThat(actual).isNotEqualTo(x);
        }
    }

    @Test
    void changesAreThoseOfWholeCodes() {
        check(relu());
        check(relu().with("\"normalize_activations\": \"layer_norm\","));
        check(new SaeFixture(D, D_SAE, 7, "b_enc", "threshold").with("\"architecture\": \"jumprelu\","));
        check(new SaeFixture(D, D_SAE, 7, "b_enc").with("\"architecture\": \"topk\", \"k\": 9, \"rescale_acts_by_decoder_norm\": true,"));
    }

    @Test
    void whatIsNotActiveCannotBeAblated() {
        try (Engine engine = Backends.open("cpu", 1);
             Sae sae = Sae.load(new SaeFixture(D, D_SAE, 5).with("b_enc", filled(D_SAE, -1e4f), D_SAE).saeLens(directory), engine)) {
            float[] x = drawn(TOKENS * D);
            assertThat(edited(engine, sae, x, FeatureChange.ablated(new Feature(1, 3)))).isEqualTo(x);
        }
    }

    private static float[] filled(int n, float value) {
        float[] values = new float[n];
        Arrays.fill(values, value);
        return values;
    }

    /** A steered model writes something else; what a watch reads is what a listener of the same pass encodes. */
    @Test
    void steeringReachesTheTextAndTheWatch() {
        int[] prompt = {1, 7, 11};
        try (Engine engine = Backends.open("cpu", 1); CausalModel model = TinyModel.open(engine);
             ModelSession session = ModelSession.open(model); Sae sae = Sae.load(relu().saeLens(directory), engine)) {
            StreamEdit edit = FeatureEdits.of(model.config(), Map.of(0, sae), List.of(new FeatureChange.Steered(new Feature(0, 7), 30)));
            GenerationOptions options = GenerationOptions.greedy(6, Set.of());
            int[] plain = new Generator(session, AdapterStack.none()).generate(prompt, options, null);
            assertThat(new Generator(session, AdapterStack.none(), edit).generate(prompt, options, null)).isNotEqualTo(plain);
            float[][] seen = new FeatureWatch(model.config(), Map.of(0, sae), List.of(new Feature(0, 20), new Feature(0, 7)))
                .activations(session, AdapterStack.none(), edit, plain);
            float[][] expected = new float[1][];
            session.forward(TokenBatch.of(plain), AdapterStack.none(), new ForwardOptions(false, 0, (site, layer, value) -> {
                if (site == Site.LAYER) {
                    try (TensorArena memory = new TensorArena(engine.device())) {
                        expected[0] = sae.densify(sae.encode(value, memory), memory).toFloatArray();
                    }
                }
            }).withEdit(edit)).close();
            assertThat(Arrays.equals(seen[0], new float[plain.length])).as("nothing is active").isFalse();
            for (int t = 0; t < plain.length; t++) {
                assertThat(seen[0][t]).isEqualTo(expected[0][t * D_SAE + 20]);
                assertThat(seen[1][t]).isEqualTo(expected[0][t * D_SAE + 7]);
            }
        }
    }

    @Test
    void whatDoesNotFitIsASentence() {
        try (Engine engine = Backends.open("cpu", 1); Sae sae = Sae.load(relu().saeLens(directory.resolve("fits")), engine);
             Sae narrow = Sae.load(new SaeFixture(7, D_SAE, 5, "b_enc").saeLens(directory.resolve("narrow")), engine)) {
            refused(Map.of(1, sae), "feature 1:50 does not exist", "expected 0 to 49", FeatureChange.ablated(new Feature(1, 50)));
            refused(Map.of(1, sae), "needs an SAE of layer 0", "[1]", FeatureChange.ablated(new Feature(0, 5)));
            refused(Map.of(1, sae), "changed twice", "1:5", FeatureChange.ablated(new Feature(1, 5)),
                new FeatureChange.Steered(new Feature(1, 5), 1));
            refused(Map.of(2, sae), "given for layer 2", "layers 0 to 1", FeatureChange.ablated(new Feature(2, 5)));
            refused(Map.of(1, narrow), "d_in = 7", "d_model = 24", FeatureChange.ablated(new Feature(1, 5)));
        }
        assertThatThrownBy(() -> new FeatureChange.Steered(new Feature(0, 0), Float.NaN)).isInstanceOf(InputException.class);
    }

    private static void refused(Map<Integer, Sae> saes, String first, String second, FeatureChange... changes) {
        assertThatThrownBy(() -> FeatureEdits.of(TinyModel.CONFIG, saes, List.of(changes))).isInstanceOf(InputException.class)
            .hasMessageContaining(first).hasMessageContaining(second);
    }
}
