package io.sails4j.parity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Path;
import java.util.List;

/** What the tests of this package share. */
final class ParityTests {
    private ParityTests() {
    }

    /** The backends of {@code -Dsails.parity.backends}; one that is asked for and missing fails. */
    static List<String> backends() {
        return List.of(System.getProperty("sails.parity.backends", "cpu,emulator").split(","));
    }

    /** The golden data under {@code -Dsails.reference}, or a skipped test that says so aloud. */
    static Reference referenceOrSkip() {
        Path root = Path.of(System.getProperty("sails.reference", "../shared/reference"));
        if (!Reference.isAt(root)) {
            System.out.println("SKIPPED: no reference data at " + root + "; name it with -Dsails.reference=DIR");
        }
        assumeTrue(Reference.isAt(root), "no reference data at " + root);
        return Reference.open(root);
    }

    /** Prints the table and asserts that everything was within its limits. */
    static void finish(ParityTable table) {
        System.out.print(table.text());
        assertThat(table.failures()).isEmpty();
    }
}
