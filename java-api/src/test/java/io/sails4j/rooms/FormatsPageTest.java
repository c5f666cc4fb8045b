package io.sails4j.rooms;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Each row of a table in docs/formats.md names the tests that hold it, and they are there. */
class FormatsPageTest {
    private static final Path ROOT = Path.of("..");
    private static final Pattern TEST = Pattern.compile("`(\\w+Test)\\.(\\w+)`");

    /** The tests of all modules, by their names. */
    private static Map<String, String> sources() throws IOException {
        Map<String, String> sources = new HashMap<>();
        for (String module : List.of("java-api", "cli", "tests")) {
            try (Stream<Path> files = Files.walk(ROOT.resolve(module).resolve("src/test/java"))) {
                for (Path file : files.filter(f -> f.toString().endsWith("Test.java")).toList()) {
                    sources.put(file.getFileName().toString().replace(".java", ""), Files.readString(file));
                }
            }
        }
        return sources;
    }

    @Test
    void eachRowHasTestsThatAreThere() throws IOException {
        Map<String, String> sources = sources();
        int rows = 0;
        boolean body = false;
        for (String line : Files.readAllLines(ROOT.resolve("docs/formats.md"))) {
            body = line.startsWith("|") && (body || line.startsWith("|---"));
            if (!body || line.startsWith("|---")) {
                continue;
            }
            rows++;
            String last = line.substring(line.lastIndexOf(" | ", line.length() - 3));
            List<MatchResult> named = TEST.matcher(last).results().toList();
            assertThat(named).as(line).isNotEmpty();
            for (MatchResult test : named) {
                assertThat(sources.getOrDefault(test.group(1), "")).as(test.group()).contains("void " + test.group(2) + "(");
            }
        }
        assertThat(rows).isGreaterThan(50);
    }
}
