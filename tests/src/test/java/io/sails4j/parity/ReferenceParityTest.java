package io.sails4j.parity;

import static org.assertj.core.api.Assertions.assertThat;

import io.sails4j.ops.Engine;
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
}
