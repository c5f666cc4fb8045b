package io.sails4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** The table of sections by backends. */
class SupportTableTest {
    @Test
    void everyOperationWithACaseHasASection() {
        assertThat(ConformanceSuite.cases()).allSatisfy(c -> assertThat(SupportTable.section(c.operation())).isNotBlank());
        assertThat(SupportTable.section("rope_append")).isEqualTo("decoding");
        assertThat(SupportTable.section("adamw_8bit")).isEqualTo("optimizer");
        assertThat(SupportTable.section("sae_encode")).isEqualTo("sae");
    }

    @Test
    void theReadmeHasItsSectionsWithAsManyOperations() throws IOException {
        String readme = Files.readString(Path.of("../README.md"));
        String table = readme.substring(readme.indexOf("<!-- support:begin -->"), readme.indexOf("<!-- support:end -->"));
        assertThat(rows(table)).as("README.md holds what `sails selftest --support` prints").isEqualTo(rows(new SupportTable().text()));
        assertThat(table).doesNotContain("fails");
    }

    private static List<String> rows(String table) {
        return Pattern.compile("(?m)^\\| (\\w+) \\| (\\d+) ").matcher(table).results().map(MatchResult::group).map(String::strip).toList();
    }
}
