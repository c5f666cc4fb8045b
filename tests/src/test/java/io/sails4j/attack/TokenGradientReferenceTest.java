package io.sails4j.attack;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sails4j.io.SafetensorsFile;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelOptions;
import io.sails4j.model.ModelSession;
import io.sails4j.model.TokenBatch;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.testing.Backends;
import io.sails4j.trace.BatchFile;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The gradient by one-hot vectors of Gemma-2 models against PyTorch's gradient of the embedded tokens, in float64. */
class TokenGradientReferenceTest {
    private static final int COUNT = 9;

    @ParameterizedTest
    @CsvSource({"cpu, tiny-f32", "cpu, tiny-odd", "emulator, tiny-odd"})
    void equalsTheReference(String backend, String name) {
        Path root = Path.of(System.getProperty("sails.reference", "../shared/reference"));
        if (!Files.exists(root.resolve("manifest.json"))) {
            System.out.println("SKIPPED: no reference data at " + root + "; name it with -Dsails.reference=DIR");
        }
        assumeTrue(Files.exists(root.resolve("manifest.json")), "no reference data at " + root);
        TokenBatch batch = BatchFile.read(root.resolve("expected/" + name + "/forward.safetensors"));
        int from = batch.length() + 2;
        try (Engine engine = Backends.open(backend);
             CausalModel model = CausalModel.load(root.resolve("models/" + name), engine, ModelOptions.of(DType.F32));
             ModelSession session = ModelSession.open(model);
             SafetensorsFile stored = SafetensorsFile.open(root.resolve("expected/" + name + "/grads_hidden.safetensors"))) {
            float[] actual = TokenGradient.of(session, AdapterStack.none(), batch, from, COUNT);
            float[] dEmbed = stored.tensor("hidden.embed").toFloatArray();
            float[] embedding = model.weights().embedTokens().toFloatArray();
            int width = (int) model.config().dModel();
            int vocab = embedding.length / width;
            double difference = 0;
            double norm = 0;
            for (int i = 0; i < actual.length; i++) {
                double expected = 0;
                for (int j = 0; j < width; j++) {
                    // Gemma multiplies embeddings by the root of their width; the checkpoints are f32, so that it is not rounded to bf16.
                    expected += Math.sqrt(width) * embedding[i % vocab * width + j] * dEmbed[(from + i / vocab) * width + j];
                }
                difference += (actual[i] - expected) * (actual[i] - expected);
                norm += expected * expected;
            }
            assertThat(norm).isPositive();
            // The limit of all gradients beside the reference.
            assertThat(Math.sqrt(difference / norm)).as(name).isLessThan(1e-4);
        }
    }
}
