package io.sails4j.cases;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.config.ModuleKey;
import io.sails4j.config.Projection;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ModelOptions;
import io.sails4j.model.ModelSession;
import io.sails4j.model.ModelWeights;
import io.sails4j.model.TokenBatch;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.testing.Backends;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Files of others that once were refused without a reason, or read without a word: {@code cases/} beside the reference data. */
class ForeignCasesTest {
    private static Path cases;
    private static Engine engine;

    @BeforeAll
    static void open() {
        cases = Path.of(System.getProperty("sails.reference", "../shared/reference")).resolveSibling("cases");
        if (!Files.isDirectory(cases)) {
            System.out.println("SKIPPED: no cases at " + cases + "; they lie beside -Dsails.reference=DIR");
        }
        assumeTrue(Files.isDirectory(cases), "no cases at " + cases);
        engine = Backends.open("cpu", 1);
    }

    @AfterAll
    static void close() {
        if (engine != null) {
            engine.close();
        }
    }

    private static ModelConfig model() {
        return ModelConfig.read(cases.resolve("model"));
    }

    @Test
    void aPointerOfGitLfs() {
        Path directory = cases.resolve("lfs-pointer/lfs");
        assertThatThrownBy(() -> ModelWeights.load(directory, ModelConfig.read(directory), engine, DType.F32, false))
            .isInstanceOf(InputException.class).hasMessageContaining("Git LFS pointer").hasMessageContaining("4976698672 bytes")
            .hasMessageContaining("git lfs pull");
    }

    @Test
    void frequenciesInACheckpoint() {
        Path directory = cases.resolve("inv-freq");
        try (ModelWeights weights = ModelWeights.load(directory, ModelConfig.read(directory), engine, DType.F32, false)) {
            assertThat(weights.ignored()).containsExactlyInAnyOrder("model.layers.0.self_attn.rotary_emb.inv_freq",
                "model.layers.1.self_attn.rotary_emb.inv_freq");
        }
    }

    @Test
    void aByteOrderMark() {
        assertThat(ModelConfig.read(cases.resolve("bom"))).isEqualTo(model());
        LoraAdapter.load(cases.resolve("bom/adapter"), model(), engine).close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"default_suffix", "automodel"})
    void otherNamesOfAnAdaptersTensors(String name) {
        try (LoraAdapter adapter = LoraAdapter.load(cases.resolve("saved-embeddings").resolve(name), model(), engine)) {
            assertThat(adapter.modules()).hasSize(4).containsKey(new ModuleKey(1, Projection.V_PROJ));
            assertThat(adapter.notes()).hasSize(name.equals("automodel") ? 1 : 0);
        }
    }

    @Test
    void savedEmbeddings() {
        assertThatThrownBy(() -> LoraAdapter.load(cases.resolve("saved-embeddings/savedemb"), model(), engine))
            .isInstanceOf(InputException.class).hasMessageContaining("merge_and_unload")
            .hasMessageContaining("save_embedding_layers=False");
    }

    @Test
    void noEnd() {
        assertThat(ModelConfig.read(cases.resolve("eos-null")).eosIds()).isEmpty();
    }

    @Test
    void positionsBeyondTheModel() {
        TokenBatch far = new TokenBatch(1, 1, new int[] {5}, new int[] {1}, new int[] {model().maxPositionEmbeddings()});
        try (CausalModel loaded = CausalModel.load(cases.resolve("model"), engine, ModelOptions.defaults());
             ModelSession session = ModelSession.open(loaded)) {
            assertThatThrownBy(() -> session.forward(far, AdapterStack.none(), ForwardOptions.inference()))
                .isInstanceOf(InputException.class).hasMessageContaining("max_position_embeddings of 131072")
                .hasMessageContaining("131073");
        }
    }
}
