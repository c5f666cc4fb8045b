package io.sails4j.data;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class OriginTest {
    private static final Path FILE = Path.of("data.jsonl");

    @Test
    void oneAndSeveralAndMany() {
        assertThat(Origin.describe(List.of(Origin.line(FILE, 7)))).isEqualTo("line 7 of data.jsonl");
        assertThat(Origin.describe(List.of(Origin.line(FILE, 12), Origin.line(FILE, 7)))).isEqualTo("lines 7, 12 of data.jsonl");
        assertThat(Origin.describe(LongStream.rangeClosed(1, 11).mapToObj(n -> Origin.row(Path.of("p.safetensors"), n)).toList()))
            .isEqualTo("rows 1, 2, 3, 4, 5, 6, 7, 8 and 3 more of p.safetensors");
        assertThat(Origin.describe(List.of(Origin.line(FILE, 2), Origin.line(Path.of("b"), 1))))
            .isEqualTo("line 2 of data.jsonl, line 1 of b");
    }
}
