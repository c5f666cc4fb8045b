package io.sails4j.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.files.JsonFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jsoup.Jsoup;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The page in Chromium: nothing in the console, nothing that axe-core finds wrong (WCAG AA, labels, contrast), nothing wider than the
 * window. Where Chromium or axe-core's {@code axe.min.js} ({@code -Dsails.axe=FILE} or {@code AXE_CORE}) is absent it is skipped aloud.
 */
class ReportBrowserTest {
    private static final Pattern RESULT = Pattern.compile("(?s)<pre id=\"axe\">(.*?)</pre>");
    private static final int SECONDS = 120;

    @TempDir
    private Path directory;

    private static Optional<Path> chromium() {
        return Stream.of("chromium", "chromium-browser", "google-chrome")
            .flatMap(name -> Stream.of(System.getenv("PATH").split(":")).map(place -> Path.of(place, name))).filter(Files::isExecutable)
            .findFirst();
    }

    private static Optional<Path> axe() {
        return Stream.of(System.getProperty("sails.axe", ""), Optional.ofNullable(System.getenv("AXE_CORE")).orElse(""))
            .filter(name -> !name.isEmpty()).map(Path::of).filter(Files::isRegularFile).findFirst();
    }

    @ParameterizedTest
    @CsvSource({"1280, light", "1280, dark", "390, light", "390, dark"})
    void axeFindsNothing(int width, String scheme) throws IOException, InterruptedException {
        assumeTrue(chromium().isPresent(), "skipped: there is no Chromium on the path");
        assumeTrue(axe().isPresent(), "skipped: axe-core's axe.min.js is not named by sails.axe or AXE_CORE");
        String html = Files.readString(ReportWriter.write(directory, Reports.read(Fixtures.directories())));
        JsonNode found = result(html, width, scheme);
        assertThat(found.get("passes").asInt()).isGreaterThan(20);
        assertThat(found.get("violations")).as(found.toPrettyString()).isEmpty();
        assertThat(found.get("overflow").asInt()).isZero();
        assertThat(found.get("dark").asBoolean()).isEqualTo(scheme.equals("dark"));
    }

    /** The page in a frame as wide as a device, since a window has a least width; without its policy, which would keep axe-core out. */
    private JsonNode result(String html, int width, String scheme) throws IOException, InterruptedException {
        String page = html.replaceFirst("<meta http-equiv=\"Content-Security-Policy\"[^>]*>", "")
            .replace("<details", "<details open").replace("</body>", "<script src=\"axe.min.js\"></script></body>");
        assertThat(page).doesNotContain("Content-Security-Policy");
        Files.copy(axe().orElseThrow(), directory.resolve("axe.min.js"));
        Files.writeString(directory.resolve("page.html"), page);
        Files.writeString(directory.resolve("frame.html"), Files.readString(Fixtures.ROOT.resolve("browser/frame.html"))
            .replace("WIDTH", String.valueOf(width)));
        Path errors = directory.resolve("errors");
        Process process = new ProcessBuilder(List.of(chromium().orElseThrow().toString(), "--headless", "--no-sandbox", "--disable-gpu",
            "--allow-file-access-from-files", "--window-size=1400,900", "--enable-logging=stderr",
            "--user-data-dir=" + directory.resolve("profile"), "--blink-settings=preferredColorScheme=" + (scheme.equals("dark") ? 0 : 1),
            "--virtual-time-budget=20000", "--dump-dom", directory.resolve("frame.html").toUri().toString()))
            .redirectError(errors.toFile()).redirectOutput(directory.resolve("dom").toFile()).start();
        assertThat(process.waitFor(SECONDS, TimeUnit.SECONDS)).isTrue();
        assertThat(Files.readAllLines(errors)).noneMatch(line -> line.contains("CONSOLE"));
        Matcher result = RESULT.matcher(Files.readString(directory.resolve("dom")));
        assertThat(result.find()).isTrue();
        return JsonFiles.parse(Jsoup.parse(result.group(1)).wholeText(), "what axe-core found");
    }
}
