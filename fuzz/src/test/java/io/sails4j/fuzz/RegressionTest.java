package io.sails4j.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Each parser over its seeds, over seeds with a byte changed or cut off, and over what the fuzzer has found. */
class RegressionTest {
    private static final Path FOUND = Path.of("src/test/resources/regressions");

    @ParameterizedTest
    @EnumSource
    void takesOrRefusesInASentence(Parsers parser) throws IOException {
        Checked checked = new Checked(parser);
        List<byte[]> seeds = Seeds.of(parser);
        assertThat(seeds).isNotEmpty();
        for (byte[] seed : seeds) {
            checked.read(seed);
            int step = Math.max(1, seed.length / 60);
            for (int i = 0; i < seed.length; i += step) {
                checked.read(Arrays.copyOf(seed, i));
                byte[] changed = seed.clone();
                changed[i] ^= (byte) (1 << i % 8);
                checked.read(changed);
            }
        }
        Path directory = FOUND.resolve(parser.label());
        if (Files.isDirectory(directory)) {
            try (Stream<Path> files = Files.list(directory)) {
                for (Path file : files.sorted().toList()) {
                    checked.read(Files.readAllBytes(file));
                }
            }
        }
    }
}
