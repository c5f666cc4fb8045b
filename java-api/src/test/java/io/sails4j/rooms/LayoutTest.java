package io.sails4j.rooms;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The width that .editorconfig states, for every source. */
class LayoutTest {
    private static final int WIDTH = 140;
    private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();
    private static final Set<String> SOURCES = Set.of("java", "c", "h", "cpp", "cu", "cuh", "sh", "py", "awk");
    private static final Set<String> LEFT_OUT = Set.of("target", "build", ".git");

    @Test
    void noLineIsPastTheWidth() throws IOException {
        List<String> found = new ArrayList<>();
        int[] read = new int[1];
        try (Stream<Path> files = Files.walk(ROOT)) {
            files.filter(LayoutTest::isSource).forEach(file -> {
                read[0]++;
                List<String> lines = lines(file);
                for (int i = 0; i < lines.size(); i++) {
                    if (lines.get(i).codePointCount(0, lines.get(i).length()) > WIDTH) {
                        found.add(ROOT.relativize(file) + ":" + (i + 1));
                    }
                }
            });
        }
        assertThat(read[0]).isGreaterThan(400);
        assertThat(found).as("lines of more than %d characters", WIDTH).isEmpty();
    }

    private static boolean isSource(Path file) {
        Path inside = ROOT.relativize(file);
        for (Path part : inside) {
            if (LEFT_OUT.contains(part.toString())) {
                return false;
            }
        }
        String name = inside.getFileName().toString();
        return Files.isRegularFile(file) && SOURCES.contains(name.substring(name.lastIndexOf('.') + 1));
    }

    private static List<String> lines(Path file) {
        try {
            return Files.readAllLines(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
