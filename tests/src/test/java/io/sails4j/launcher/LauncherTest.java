package io.sails4j.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.data.Progress;
import io.sails4j.data.Tokenizer;
import io.sails4j.demo.DemoWorld;
import io.sails4j.files.JsonFiles;
import io.sails4j.ops.Engine;
import io.sails4j.testing.Backends;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Environments of users: no locale, no home, streams that are full or closed. The same tokens everywhere, or one sentence. */
class LauncherTest {
    private static final String PROMPT = "Größe, 大きさ, 𝄞";
    private static final String PATH = "PATH=/usr/bin:/bin";
    private static final String BARE = "-i " + PATH + " LC_ALL=C SAILS_JAVA_OPTS='" + Launcher.JAVA_OPTIONS + "'";
    @TempDir
    private static Path root;
    private static Launcher sails;
    private static Path model;

    @BeforeAll
    static void makeWorld() throws IOException {
        sails = Launcher.in(Files.createDirectories(root.resolve("archive")));
        try (Engine engine = Backends.open("cpu", 1)) {
            new DemoWorld(root).make(engine, new DemoWorld.Size(32, 2, 16, 48, 280, 1, 32, 2), 24, 5, Progress.none());
        }
        model = root.resolve("Modell größe");
        Files.move(root.resolve("model"), model);
    }

    private static Launcher.Ended generate(String environment, String redirection, String... more) throws Exception {
        List<String> arguments = new ArrayList<>(
            List.of("generate", "--backend", "cpu", "--threads", "1", "--model", model.toString(), "--max-new-tokens", "2", "--json"));
        arguments.addAll(List.of(more));
        return sails.run(environment, redirection, arguments.toArray(String[]::new));
    }

    @ParameterizedTest
    @ValueSource(strings = {"LC_ALL=POSIX", "LC_ALL=de_DE.ISO-8859-1", "-i " + PATH})
    void promptsAndPathsAreTheSameInAnyLocale(String environment) throws Exception {
        Launcher.Ended ended = generate(environment, "", "--prompt", PROMPT);
        assertThat(ended.exit()).as(ended.err()).isZero();
        JsonNode result = JsonFiles.parse(ended.out(), "standard output");
        List<Integer> ids = new ArrayList<>();
        result.get("prompt_ids").forEach(id -> ids.add(id.intValue()));
        try (Tokenizer tokenizer = Tokenizer.load(model)) {
            assertThat(ids).containsExactlyElementsOf(Arrays.stream(tokenizer.encodeWithBos(PROMPT)).boxed().toList());
        }
    }

    /**
     * What a command was given, and where it must be found again.
     *
     * @param words at spaces; an underscore stands for a space
     * @param written below the working directory, or null for standard error
     */
    private record Given(String words, int exit, @Nullable String written, String holds) {
        @Override
        public String toString() {
            return words;
        }
    }

    static List<Given> commands() {
        String cpu = " --backend cpu --threads 1 --model WORLD/Modell_größe ";
        return List.of(
            new Given("judge --completions WORLD/Wörter_大.csv --prompt-column Frage_大 --completion-column Antwort"
                + " --out WORLD/Urteil_𝄞.jsonl", 0, "Urteil 𝄞.jsonl", "Größe 𝄞"),
            new Given("attack prefill" + cpu + "--prompts WORLD/Fragen_大.txt=refuse --target Natürlich,_𝄞 --max-new-tokens 1"
                + " --out WORLD/Angriff_é", 0, "Angriff é/completions.jsonl",
                "\"prompt\":\"Wie groß ist 大?\",\"completion\":\"Natürlich, 𝄞"),
            new Given("quantize" + cpu + "--weights int8 --out WORLD/klein_大", 0, "klein 大/config.json", "quantization_config"),
            new Given("study WORLD/Stüdie_大.yaml --out WORLD/none", 2, null, "Stüdie 大.yaml has the key 'größe 大'"),
            new Given("explain" + cpu + "--sae 1=WORLD/sae --prompt Größe_𝄞 --features 1 --out WORLD/Erklärt_𝄞", 0,
                "Erklärt 𝄞/explain.json", "\"ö\""),
            new Given("sae train" + cpu + "--layers 1 --data WORLD/Wörter_大.csv=Frage_大 --width 16 --k 2 --steps 1 --out WORLD/SAE_𝄞", 0,
                null, "Wörter 大.csv"),
            new Given("monitor calibrate" + cpu + "--sae 1=WORLD/sae --feature 1:0 --false-alarm-rate 0.5 --prompts WORLD/Proben_大.csv"
                + " --out WORLD/Wächter_𝄞", 0, null, "Wächter 𝄞/monitor.json"),
            new Given("bench --against WORLD/Messung_𝄞.json", 2, null, "Messung 𝄞.json is no file"));
    }

    /** The commands with other readers of texts than {@code generate}: tables, lines, YAML; names in what they write and say. */
    @ParameterizedTest
    @MethodSource("commands")
    void textsAndPathsSurviveInEveryCommand(Given given) throws Exception {
        Files.writeString(root.resolve("Wörter 大.csv"), "Frage 大,Antwort\nWie?,\"Ich kann dabei nicht helfen, Größe 𝄞.\"\n");
        Files.writeString(root.resolve("Proben 大.csv"), "prompt,wanted\n" + "Größe 𝄞,refuse\n大きさ,comply\n".repeat(4));
        Files.writeString(root.resolve("Fragen 大.txt"), "Wie groß ist 大?\n");
        Files.writeString(root.resolve("Stüdie 大.yaml"), "größe 大: 1\n");
        Launcher.Ended ended = sails.run(BARE, "",
            Arrays.stream(given.words.split(" ")).map(word -> word.replace('_', ' ').replace("WORLD", root.toString()))
                .toArray(String[]::new));
        assertThat(ended.exit()).as(ended.err()).isEqualTo(given.exit);
        assertThat(given.written == null ? ended.err() : Files.readString(root.resolve(given.written))).contains(given.holds);
    }

    /** Keys, names and texts of a server, and the line that it logs. */
    @Test
    void aServerKnowsWhatItWasCalled() throws Exception {
        Path err = root.resolve("Sätze.txt");
        Files.writeString(root.resolve("Schlüssel.txt"), "Schlüssel-大-𝄞\n");
        Process server = sails.start(err, BARE, "", "serve", "--backend", "cpu", "--threads", "1", "--model", model.toString(), "--name",
            "Größe 大 𝄞", "--port", "0", "--api-key-file", root.resolve("Schlüssel.txt").toString());
        try (BufferedReader said = server.inputReader(StandardCharsets.UTF_8); Tokenizer tokenizer = Tokenizer.load(model)) {
            String address = said.readLine();
            assertThat(address).as(Files.readString(err)).isNotNull();
            String body = "{\"model\": \"Größe 大 𝄞\", \"prompt\": \"" + PROMPT + "\", \"max_tokens\": 1}";
            String answer = post(URI.create(address).getPort(), "Schlüssel-大-𝄞", body);
            assertThat(answer).startsWith("HTTP/1.1 200").contains("\"model\":\"Größe 大 𝄞\"",
                "\"prompt_tokens\":" + tokenizer.encodeWithBos(PROMPT).length + ",");
            assertThat(post(URI.create(address).getPort(), "Schlüssel-大-?", body)).startsWith("HTTP/1.1 401");
            server.destroy();
            server.waitFor();
            assertThat(Files.readString(err)).contains("models: Größe 大 𝄞;", "model=Größe 大 𝄞 ");
        } finally {
            server.destroyForcibly();
        }
    }

    /** As curl does: a header's bytes are UTF-8. */
    private static String post(int port, String key, String body) throws IOException {
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
            socket.getOutputStream().write(("POST /v1/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer " + key
                + "\r\nContent-Type: application/json\r\nContent-Length: " + body.getBytes(StandardCharsets.UTF_8).length + "\r\n\r\n"
                + body).getBytes(StandardCharsets.UTF_8));
            return new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    /** Java finds no class there: that must be said, and not that the program is missing. */
    @Test
    void aHomeWithCharactersThatJavaCannotTakeIsNamed() throws Exception {
        Launcher.Ended ended = Launcher.in(root.resolve("Heim 𝄞")).run(BARE, "", "--version");
        assertThat(ended.exit()).isEqualTo(1);
        assertThat(ended.err()).contains("Heim 𝄞", "move this directory").hasLineCount(1);
    }

    @Test
    void bytesThatAreNoUtf8AreRefused() throws Exception {
        Launcher.Ended ended = sails.run("LC_ALL=C", "\"$(printf 'Gr\\366\\337e')\"", "generate", "--model", model.toString(), "--prompt");
        assertThat(ended.exit()).isEqualTo(2);
        assertThat(ended.err()).contains("not UTF-8").hasLineCount(1);
    }

    @Test
    void aFullStandardOutputIsAFailure() throws Exception {
        Launcher.Ended ended = generate("LC_ALL=C", ">/dev/full", "--prompt", "x");
        assertThat(ended.exit()).isEqualTo(1);
        assertThat(ended.err()).contains("standard output cannot be written");
    }

    @Test
    void aClosedStandardOutputIsAFailureAtOnce() throws Exception {
        Launcher.Ended ended = generate("LC_ALL=C", ">&-", "--prompt", "x");
        assertThat(ended.exit()).isEqualTo(1);
        assertThat(ended.err()).contains("standard output is closed").hasLineCount(1);
    }

    @Test
    void closedInputAndErrorAreOfNoConcern() throws Exception {
        assertThat(generate("LC_ALL=C", "2>&- <&-", "--prompt", "x").exit()).isZero();
    }

    @ParameterizedTest
    @ValueSource(strings = {"-u HOME", "HOME=/proc JAVA_HOME=/nonexistent"})
    void aHomeIsNotNeeded(String environment) throws Exception {
        Launcher.Ended ended = generate(environment + " XDG_CACHE_HOME=/proc/none", "", "--prompt", "x");
        assertThat(ended.exit()).as(ended.err()).isZero();
    }
}
