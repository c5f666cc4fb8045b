package io.sails4j.report;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.files.JsonFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.jsoup.Jsoup;
import org.jsoup.nodes.Document;
import org.jsoup.nodes.Element;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The numbers of the page and of {@code report.json} are those of the files that they were made from. */
class ReportNumbersTest {
    @TempDir
    private static Path out;
    private static JsonNode json;
    private static Document page;

    @BeforeAll
    static void write() throws IOException {
        Path html = ReportWriter.write(out, Reports.read(Fixtures.directories()));
        json = JsonFiles.read(out.resolve("report.json"));
        page = Jsoup.parse(Files.readString(html));
    }

    private static JsonNode source(String name, String file) {
        return JsonFiles.read(Fixtures.ROOT.resolve(name).resolve(file));
    }

    private static JsonNode part(String kind) {
        for (JsonNode part : json.get("parts")) {
            if (part.get("kind").asText().equals(kind)) {
                return part;
            }
        }
        throw new AssertionError("no part " + kind);
    }

    /** Everything that the source says is said by the report. */
    private static void assertSays(JsonNode report, JsonNode source, String where) {
        if (source.isObject()) {
            source.properties().forEach(field -> {
                String key = field.getKey().equals("estimate") ? "value" : field.getKey();
                assertSays(report.path(key), field.getValue(), where + "." + key);
            });
        } else if (source.isArray()) {
            assertThat(report).as(where).hasSameSizeAs(source);
            for (int i = 0; i < source.size(); i++) {
                assertSays(report.get(i), source.get(i), where + "[" + i + "]");
            }
        } else if (source.isNumber()) {
            assertThat(report.isNumber()).as(where).isTrue();
            assertThat(report.doubleValue()).as(where).isEqualTo(source.doubleValue());
        } else {
            assertThat(report).as(where).isEqualTo(source);
        }
    }

    @Test
    void theFileHoldsAllNumbersOfItsSources() {
        assertThat(json.get("format").asInt()).isEqualTo(1);
        JsonNode evaluation = source("evaluation", "eval.json");
        for (String key : List.of("answers", "metrics", "comparisons", "utility", "alarms")) {
            assertSays(part("evaluation").path(key), evaluation.get(key), key);
        }
        assertSays(part("attack"), only(source("attack", "attack.json"), "arms", "metrics", "comparisons", "transfers", "directions"),
            "attack");
        assertSays(part("subspace"), only(source("subspace", "explain.json"), "layers", "angles"), "subspace");
        assertSays(part("adapter"), only(source("adapter", "explain.json"), "modules", "layers"), "adapter");
        assertSays(part("prompt"), only(source("prompt", "explain.json"), "tokens", "layers"), "prompt");
        assertSays(part("monitor"), only(source("monitor", "monitor.json"), "rules", "calibration"), "monitor");
        assertSays(part("training"), only(source("training", "sails_run.json"), "method", "trainable_parameters", "steps", "loss_before",
            "loss_after", "evaluation_pairs", "held_out", "share_inside"), "training");
        assertThat(part("attack").at("/curves/1/losses")).isEqualTo(source("attack", "attack.json").at("/curves/1/losses"));
        assertThat(part("training").get("history")).hasSize(60);
        assertThat(part("training").get("evaluations")).hasSize(4);
        assertThat(part("evaluation").get("completions")).hasSize(8);
        assertThat(part("evaluation").at("/origin/hashes/arms.base.model").asText()).hasSize(64);
    }

    private static JsonNode only(JsonNode document, String... keys) {
        return ((ObjectNode) document).retain(keys);
    }

    private static void numbers(JsonNode node, Set<Double> into) {
        if (node.isNumber()) {
            into.add(node.doubleValue());
        }
        node.forEach(child -> numbers(child, into));
    }

    private static List<Double> shown(Element element) {
        List<Double> shown = new ArrayList<>();
        for (Element data : element.select("data")) {
            for (String value : data.attr("value").split(" ")) {
                shown.add(Double.valueOf(value));
            }
        }
        return shown;
    }

    @Test
    void thePageShowsNumbersOfTheFileAlone() {
        Set<Double> known = new HashSet<>();
        numbers(json, known);
        assertThat(shown(page)).hasSizeGreaterThan(300).isSubsetOf(known);
    }

    @Test
    void thePageShowsWhatWasMeasured() {
        Set<Double> measured = new HashSet<>();
        for (String key : List.of("answers", "metrics", "comparisons", "utility", "alarms")) {
            part("evaluation").get(key).forEach(entry -> numbers(((ObjectNode) entry.deepCopy())
                .without(List.of("stopped", "undecided")), measured));
        }
        for (String key : List.of("metrics", "comparisons", "transfers")) {
            part("attack").get(key).forEach(entry -> numbers(((ObjectNode) entry.deepCopy())
                .without(List.of("undecided", "from")), measured));
        }
        part("attack").get("curves").forEach(curve -> numbers(curve.get("losses").get(39), measured));
        part("attack").at("/directions/0/layers").forEach(layer -> numbers(((ObjectNode) layer.deepCopy()).without("layer"), measured));
        part("subspace").at("/layers/0/spectrum").forEach(component -> numbers(
            ((ObjectNode) component.deepCopy()).without("component"), measured));
        part("subspace").at("/layers/0/features").forEach(feature -> {
            List.of("score", "mean_aligned", "mean_unaligned", "frequency_aligned", "frequency_unaligned", "maximum", "basis_shares")
                .forEach(key -> numbers(feature.get(key), measured));
            feature.get("passages").forEach(passage -> numbers(passage.get("peak"), measured));
        });
        numbers(part("subspace").get("angles"), measured);
        part("monitor").get("calibration").forEach(rule -> numbers(((ObjectNode) rule.deepCopy()).without(List.of("roc", "chosen_on")),
            measured));
        part("monitor").get("rules").forEach(rule -> numbers(((ObjectNode) rule.deepCopy()).without("features"), measured));
        assertThat(measured).hasSizeGreaterThan(150);
        assertThat(new HashSet<>(shown(page))).containsAll(measured);
    }

    @Test
    void eachNumberStandsInItsRow() {
        JsonNode metric = part("evaluation").get("metrics").get(0);
        Element row = page.select("table:has(caption:containsOwn(All prompts)) tbody tr").getFirst();
        assertThat(row.select("th").text()).isEqualTo("safety rate");
        assertThat(row.select("td.arm").text()).isEqualTo("base");
        assertThat(shown(row)).startsWith(metric.get("value").asDouble(), metric.get("low").asDouble(), metric.get("high").asDouble());
        assertThat(row.text()).contains("52.5 %", "37.5 to 67.1 %");
        Element difference = page.select("table:has(caption:containsOwn(Arms in pairs)) tbody tr").getFirst();
        assertThat(difference.text()).contains("adapter − base", "+42.5 points", "+25.0 to +57.5 points");
        assertThat(page.select("#summary .card").eachText())
            .anySatisfy(card -> assertThat(card).contains("Harmful requests refused", "95.0 %",
                "83.5 to 98.6 %, n = 40"));
    }

    /** What is shaded is what the file says, token by token. */
    @Test
    void tokensAreShadedByTheirActivations() {
        JsonNode passage = part("subspace").at("/layers/0/features/0/passages/0");
        Element tokens = page.select(".feature .tokens").getFirst();
        List<Double> active = new ArrayList<>();
        passage.get("activations").forEach(a -> {
            if (a.doubleValue() > 0) {
                active.add(a.doubleValue());
            }
        });
        assertThat(tokens.select("mark")).hasSameSizeAs(active);
        double peak = passage.get("peak").doubleValue();
        assertThat(tokens.select("mark.peak").attr("title")).isEqualTo(String.format(Locale.ROOT, "%.3f", peak));
        StringBuilder text = new StringBuilder();
        passage.get("tokens").forEach(token -> text.append(token.asText().replace("\n", "\u23ce\n")));
        assertThat(tokens.wholeText()).isEqualTo(text.toString());
    }
}
