package io.sails4j.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which directories are understood, and what is said of those that are not. */
class ReportsTest {
    @TempDir
    private Path directory;

    private void assertRefused(String... parts) {
        assertThatThrownBy(() -> Reports.read(List.of(directory))).isInstanceOf(InputException.class).hasMessageContainingAll(parts);
    }

    private void explain(String json) throws IOException {
        Files.writeString(directory.resolve("explain.json"), json);
    }

    @Test
    void directoriesThatAreNoResultsAreASentence() {
        assertRefused(directory + " holds no results that a report can show", "eval.json of an evaluation", "sails_run.json");
        assertThatThrownBy(() -> Reports.read(List.of(directory.resolve("gone")))).hasMessageContaining("gone does not exist");
        assertThatThrownBy(() -> Reports.read(List.of())).hasMessageContaining("no directory");
    }

    @Test
    void whatIsWrongIsNamedByItsPlace() throws IOException {
        explain("{\"kind\":\"subspaces\"}");
        assertRefused("explain.json has the kind 'subspaces', expected subspace, adapter or prompt");
        explain("{}");
        assertRefused("explain.json lacks the key 'kind'");
        explain("{\"kind\":\"subspace\",\"layers\":{}}");
        assertRefused("'layers' is object, expected an array");
        explain("{\"kind\":\"subspace\",\"layers\":[{\"layer\":2,\"d_sae\":4,\"dimension\":1,\"features\":[{\"feature\":\"x\"}]}]}");
        assertRefused("explain.json: layers[0].features[0].feature: ");
        explain("{\"kind\":\"subspace\",\"layers\":[{\"layer\":2,\"d_sae\":4,\"dimension\":1,\"features\":[{\"feature\":1,\"passages\":"
            + "[{\"peak\":1,\"tokens\":[\"a\"],\"activations\":[]}]}]}]}");
        assertRefused("layers[0].features[0].passages[0]", "1 tokens and 0 activations");
        explain("{\"kind\":\"prompt\",\"tokens\":[\"a\",\"b\"],\"layers\":[{\"layer\":2,\"features\":[{\"feature\":1,\"base\":[1]}]}]}");
        assertRefused("explain.json: feature 1 has 1 activations for 2 tokens");
        explain("{\"kind\":\"subspace\",\"layers\":[{\"layer\":2,\"d_sae\":4}]}");
        assertRefused("layers[0]", "dimension");
        explain("{");
        assertRefused("explain.json");
    }

    @Test
    void aPageLiesBesideItsResultsAndSaysNothingOfWhere() throws IOException {
        Files.copy(Fixtures.ROOT.resolve("evaluation/eval.json"), directory.resolve("eval.json"));
        Path page = Reports.writeInto(directory);
        assertThat(page).isEqualTo(directory.resolve("report.html")).exists();
        assertThat(Files.readString(page)).contains(String.valueOf(directory.getFileName())).doesNotContain(directory.toString());
        String first = Files.readString(directory.resolve("report.json"));
        Reports.writeInto(directory);
        assertThat(Files.readString(directory.resolve("report.json"))).isEqualTo(first);
        // Without completions, without utility.
        assertThat(Files.readString(page)).doesNotContain("<h3>Answers</h3>");
    }

    @Test
    void emptyResultsAreAPage() throws IOException {
        Files.writeString(directory.resolve("eval.json"), "{\"accuracy\":0.5}");
        assertRefused("is no evaluation that sails eval wrote");
        Files.writeString(directory.resolve("eval.json"), "{\"run\":{}}");
        Files.writeString(directory.resolve("attack.json"), "{\"format\":1,\"kind\":\"prefill\",\"arms\":[],\"metrics\":[]}");
        explain("{\"kind\":\"adapter\"}");
        Report report = Reports.read(List.of(directory));
        assertThat(report.parts()).extracting(ReportPart::kind).containsExactly("evaluation", "attack", "adapter");
        assertThat(Files.readString(ReportWriter.write(directory.resolve("out"), report))).contains("not both measured");
    }

    @Test
    void numbersThatNobodyKnowsAreUnknown() throws IOException {
        Files.writeString(directory.resolve("eval.json"), "{\"metrics\":[{\"arm\":\"base\",\"judge\":\"harm\",\"measure\":\"safety_rate\","
            + "\"value\":null,\"low\":null,\"high\":null,\"n\":0,\"undecided\":9}]}");
        Path page = Reports.writeInto(directory);
        assertThat(Files.readString(page)).contains("unknown", "and 9 undecided").doesNotContain("NaN", "null");
    }
}
