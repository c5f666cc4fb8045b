package io.sails4j.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jsoup.Jsoup;
import org.jsoup.nodes.Attribute;
import org.jsoup.nodes.Document;
import org.jsoup.nodes.Element;
import org.jsoup.parser.Parser;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What models and people wrote stays text, wherever it stands, whatever it says. */
class HostileReportTest {
    private static final List<String> HOSTILE = List.of("<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>",
        "javascript:alert(1)", "</style><script>alert(1)</script>", "' onmouseover='alert(1)", "</title><svg onload=alert(1)>",
        "\u202egnp.exe\u2066", "nul\u0000bell\u0007escape\u001b[31m", "half \ud83d and half \ude00", "<!--", "]]>", "&lt;b&gt;&#x27;",
        "</bdi></p></section><iframe srcdoc='<script>alert(1)</script>'>", "${7*7} @raw @endraw", "\u2028\u0085\ufffe\ufeff");
    /** By these keys a report tells what is what; texts that are none of its words are another test's. */
    private static final Set<String> WORDS = Set.of("kind", "measure", "wanted", "link");

    @TempDir
    private static Path root;
    private static Document benign;

    @BeforeAll
    static void parseBenign() throws IOException {
        benign = page(root.resolve("benign"), Fixtures.directories());
    }

    private static Document page(Path out, List<Path> directories) throws IOException {
        String html = Files.readString(ReportWriter.write(out, Reports.read(directories)));
        assertThat(html.codePoints()
            .filter(c -> c < ' ' && c != '\n' && c != '\t' || c >= 0x7f && c < 0xa0 || c >= 0xd800 && c < 0xe000
                || c >= 0x202a && c <= 0x202e || c >= 0x2066 && c <= 0x2069
                || c == 0x200e || c == 0x200f || c == 0x61c))
            .isEmpty();
        Parser parser = Parser.htmlParser().setTrackErrors(20);
        Document page = Jsoup.parse(html, "", parser);
        assertThat(parser.getErrors()).isEmpty();
        return page;
    }

    private static Map<String, Long> elements(Document page) {
        Map<String, Long> counts = new TreeMap<>();
        page.getAllElements().forEach(e -> counts.merge(e.normalName(), 1L, Long::sum));
        return counts;
    }

    private static Set<String> attributes(Document page) {
        Set<String> names = new TreeSet<>();
        for (Element element : page.getAllElements()) {
            for (Attribute attribute : element.attributes()) {
                names.add(element.normalName() + " " + attribute.getKey());
            }
        }
        return names;
    }

    private static void assertDead(Document page) {
        assertThat(page.select("script, img, iframe, object, embed, link, base, form, input, button, audio, video, image, use, a[target]"))
            .isEmpty();
        assertThat(page.select("[style], [srcdoc], [src], [action], [xlink:href], meta[http-equiv=refresh]")).isEmpty();
        assertThat(page.select("style")).hasSize(1);
        assertThat(page.select("style").getFirst().data()).isEqualTo(benign.select("style").getFirst().data());
        assertThat(page.select("meta[http-equiv]").attr("content")).startsWith("default-src 'none'; style-src 'unsafe-inline'");
        assertThat(page.select("[href]").eachAttr("href")).allMatch(href -> href.startsWith("#") || href.startsWith("https://www."));
        assertThat(attributes(page)).isSubsetOf(attributes(benign)).noneMatch(name -> name.contains(" on"));
        assertThat(elements(page).keySet()).isSubsetOf(elements(benign).keySet());
    }

    @Test
    void hostileTextAtTheEndOfEveryTextMakesNoElement() throws IOException {
        for (int round = 0; round < 3; round++) {
            int turn = round;
            // The same text has the same end, so that what belongs together stays together.
            Document page = page(root.resolve("out-" + round), Fixtures.changed(root.resolve("appended-" + round),
                (key, text) -> WORDS.contains(key) ? text : text + HOSTILE.get(Math.floorMod(text.hashCode() + turn, HOSTILE.size()))));
            assertDead(page);
            assertThat(elements(page)).isEqualTo(elements(benign));
        }
    }

    @Test
    void hostileTextIsShownAsItIs() throws IOException {
        Document page = page(root.resolve("shown"), Fixtures.changed(root.resolve("shown-in"),
            (key, text) -> key.equals("completion") ? HOSTILE.getFirst() : key.equals("prompt") ? "\u202eabc\u0000\ud800" : text));
        assertThat(page.select(".answers dd .text").eachText()).isNotEmpty().allMatch(text -> text.equals(HOSTILE.getFirst()));
        assertThat(page.select(".answers .prompt").eachText()).isNotEmpty()
            .allMatch(text -> text.equals("\u27e8U+202E\u27e9abc\u2400\ufffd"));
    }

    /** Measures, verdicts and links that are none. */
    @Test
    void hostileTextInPlaceOfEveryTextMakesNoElement() throws IOException {
        int[] next = new int[1];
        Document page = page(root.resolve("replaced"), Fixtures.changed(root.resolve("replaced-in"),
            (key, text) -> key.equals("kind") ? text : HOSTILE.get(next[0]++ % HOSTILE.size())));
        assertDead(page);
    }

    @Test
    void linksLeadToTheWeb() {
        assertThat(benign.select("a[href^=https]")).hasSize(5);
    }
}
