package io.sails4j.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Each parser over its seeds, over seeds with a byte changed or cut off, and over what the fuzzer has found. */
class RegressionTest {
    private static final Path FOUND = Path.of("src/test/resources/regressions");

    static List<Harness> all() {
        return Harness.all();
    }

    @ParameterizedTest
    @MethodSource("all")
    void takesOrRefusesInASentence(Harness harness) throws IOException {
        Checked checked = new Checked(harness);
        List<byte[]> seeds = harness.shape().seeds(harness.parser());
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
        Path directory = FOUND.resolve(harness.directory());
        if (Files.isDirectory(directory)) {
            try (Stream<Path> files = Files.list(directory)) {
                for (Path file : files.sorted().toList()) {
                    checked.read(Files.readAllBytes(file));
                }
            }
        }
    }

    /** One that is refused, as a format changes, would let a fuzzer see no more than the refusal. */
    @ParameterizedTest
    @EnumSource
    void theFirstSeedIsTaken(Parsers parser) throws IOException {
        for (Harness harness : Harness.all()) {
            if (harness.parser() == parser) {
                new Checked(harness).take(harness.shape().seeds(parser).getFirst());
            }
        }
    }

    /** A program without changes is the right document, of several its first: else the fuzzer would begin from wrong ones. */
    @ParameterizedTest
    @EnumSource
    void programsWithoutChangesGiveTheSeeds(Parsers parser) throws IOException {
        List<byte[]> right = Seeds.of(parser);
        for (Harness harness : Harness.all()) {
            if (harness.parser() == parser && harness.shape() != Shape.BYTES) {
                Shape.Maker maker = harness.shape().maker(parser);
                List<byte[]> programs = harness.shape().seeds(parser);
                for (int i = 0; i < right.size(); i++) {
                    JsonNode document = first(right.get(i));
                    if (document != null) {
                        assertThat(first(maker.make(programs.get(i)))).as(harness.label()).isEqualTo(document);
                    }
                }
            }
        }
    }

    /** The first object or list of JSON; null where there is none, as in packed files and in words. */
    private static @Nullable JsonNode first(byte[] bytes) {
        String text = new String(bytes, StandardCharsets.UTF_8);
        int begin = IntStream.range(0, text.length()).filter(i -> "{[".indexOf(text.charAt(i)) >= 0).findFirst().orElse(-1);
        if (begin < 0) {
            return null;
        }
        try {
            return new ObjectMapper().readTree(text.substring(begin));
        } catch (JsonProcessingException e) {
            return null;
        }
    }
}
