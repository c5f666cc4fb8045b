package io.sails4j.parity;

import io.sails4j.io.SafetensorsFile;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelOptions;
import io.sails4j.model.TokenBatch;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.testing.Backends;
import io.sails4j.trace.BatchFile;
import io.sails4j.trace.Trace;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Small Llama-3 models against transformers' logits, loss and gradients (src/test/resources/llama3/README.md). */
class Llama3ParityTest {
    @ParameterizedTest
    @MethodSource("io.sails4j.parity.ParityTests#backends")
    void float32(String backend) throws URISyntaxException {
        Path folder = Path.of(Objects.requireNonNull(getClass().getResource("/llama3")).toURI());
        TokenBatch batch = BatchFile.read(folder.resolve("batch.safetensors"));
        ParityTable table = new ParityTable("Llama-3, float32 arithmetic, " + backend);
        try (Engine engine = Backends.open(backend)) {
            for (String name : List.of("untied", "tied")) {
                try (CausalModel model = CausalModel.load(folder.resolve(name), engine, ModelOptions.of(DType.F32));
                     SafetensorsFile expected = SafetensorsFile.open(folder.resolve(name + ".expected.safetensors"))) {
                    Map<String, HostTensor> actual = Trace.run(model, AdapterStack.none(), batch, Trace.Gradients.ALL);
                    for (String tensor : expected.names()) {
                        int[] mask = tensor.equals("logits") ? batch.segments() : null;
                        table.compare(name, tensor, actual.get(tensor).toFloatArray(), expected.tensor(tensor), mask,
                            tensor.startsWith("grad.") ? 1e-4 : 1e-5);
                    }
                }
            }
        }
        ParityTests.finish(table);
    }
}
