package io.sails4j.parity;

import static org.assertj.core.api.Assertions.assertThat;

import io.sails4j.ops.Engine;
import io.sails4j.tensor.HostTensor;
import io.sails4j.testing.Backends;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Models, gradients, LoRA, AdamW, DPO, generation, SAEs, subspaces and the chain against the reference, part by part. */
class ReferenceParityTest {
    static List<Arguments> parts() {
        return Arrays.stream(ParitySuite.values())
            .flatMap(part -> ParityTests.backends().stream().map(backend -> Arguments.of(part, backend))).toList();
    }

    @ParameterizedTest
    @MethodSource("parts")
    void agrees(ParitySuite part, String backend) {
        Reference reference = ParityTests.referenceOrSkip();
        try (Engine engine = Backends.open(backend)) {
            ParityTests.finish(part.run(engine, reference));
        }
    }

    @Test
    void nothingComparedIsAFailure() {
        ParityTable table = new ParityTable("empty");
        assertThat(table.failures()).hasSize(1).first().asString().contains("nothing was compared");
        table.check("file", "tensor", 1, 2);
        assertThat(table.failures()).isEmpty();
        table.check("file", "tensor", 3, 2);
        assertThat(table.failures()).containsExactly("file tensor: error 3.00, limit 2.00");
    }

    @Test
    void threeTimesPyTorchsErrorOrTheStatedLimit() {
        ParityTable table = new ParityTable("budget");
        HostTensor one = HostTensor.ofFloats(new float[] {1}, 1);
        // PyTorch is off by 2^-12: 3 * 2^-12 is within, 4 * 2^-12 is past it, and a stated limit that is larger holds instead.
        table.compare("file", "within", new float[] {1 + 3 * 0x1p-12f}, one, null, new Budget(1e-5, 0x1p-12));
        table.compare("file", "stated", new float[] {1 + 4 * 0x1p-12f}, one, null, new Budget(1e-2, 0x1p-12));
        assertThat(table.failures()).isEmpty();
        table.compare("file", "past", new float[] {1 + 4 * 0x1p-12f}, one, null, new Budget(1e-5, 0x1p-12));
        assertThat(table.failures())
            .containsExactly("file past: error 0.000977, limit 0.000732, 4.0 times PyTorch's in float32");
        assertThat(table.text()).contains("4.0  past");
        // Where PyTorch was exact, or nothing is recorded, the stated limit holds alone.
        table.compare("other", "tensor", new float[] {1 + 0x1p-12f}, one, null, new Budget(1e-5, 0));
        assertThat(table.failures()).last().isEqualTo("other tensor: error 0.000244, limit 1.00e-05");
        assertThat(table.comparisons()).extracting(ParityTable.Comparison::ok).containsExactly(true, true, false, false);
    }
}
