package io.sails4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelOptions;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.serve.ServeOptions;
import io.sails4j.serve.TextServer;
import io.sails4j.serving.Finish;
import io.sails4j.serving.SchedulerOptions;
import io.sails4j.serving.TextService;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.management.ManagementFactory;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import javax.management.ObjectName;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The server and its clients, on a Llama that {@code init} makes. */
@Timeout(180)
class ServeCommandTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String KEY = "s3cret";

    @TempDir
    private static Path directory;
    private static Engine engine;
    private static CausalModel model;
    private static TextService service;
    private static TextServer server;
    private static final HttpClient CLIENT = HttpClient.newHttpClient();

    @BeforeAll
    static void start() throws IOException {
        SmallLlama.make(directory.resolve("model"), false, 0);
        engine = Engine.open(new EngineOptions("cpu", 1, ""));
        model = CausalModel.load(directory.resolve("model"), engine, ModelOptions.defaults());
        service = TextService.open(model, directory.resolve("model"), new LinkedHashMap<>(Map.of("small", AdapterStack.none())), "llama3",
            new SchedulerOptions(4, 512, 4, 16, 2000));
        server = TextServer.start(service, new ServeOptions("127.0.0.1", 0, 64, 60, 5), KEY);
    }

    @AfterAll
    static void stop() {
        server.close();
        service.close();
        model.close();
        engine.close();
    }

    private static HttpRequest.Builder to(String path) {
        return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + server.address().getPort() + path)).header("Authorization",
            "Bearer " + KEY);
    }

    private static HttpResponse<String> post(String path, String body) throws IOException, InterruptedException {
        return CLIENT.send(to(path).header("Content-Type", "application/json").POST(BodyPublishers.ofString(body)).build(),
            BodyHandlers.ofString());
    }

    private static JsonNode answered(String path, String body) throws IOException, InterruptedException {
        HttpResponse<String> response = post(path, body);
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return JSON.readTree(response.body());
    }

    private static String chat(String text, String more) {
        return "{\"model\": \"small\", \"messages\": [{\"role\": \"user\", \"content\": \"" + text + "\"}], \"temperature\": 0" + more
            + "}";
    }

    private static List<JsonNode> events(String body) throws IOException {
        List<String> data = body.lines().filter(line -> !line.isEmpty()).toList();
        assertThat(data).allMatch(line -> line.startsWith("data: ")).last().isEqualTo("data: [DONE]");
        List<JsonNode> events = new ArrayList<>();
        for (String line : data.subList(0, data.size() - 1)) {
            events.add(JSON.readTree(line.substring("data: ".length())));
        }
        return events;
    }

    @Test
    void anAnswerIsThatOfTheCommandLineWholeAndInPieces() throws Exception {
        JsonNode answer = answered("/v1/chat/completions", chat("may I", ", \"max_tokens\": 12"));
        CommandRun run = CommandRun.of("generate", "--model", directory.resolve("model"), "--template", "llama3", "--chat", "may I",
            "--max-new-tokens", "12", "--backend", "cpu", "--threads", "1", "--json");
        JsonNode generated = JSON.readTree(run.out());
        String text = answer.at("/choices/0/message/content").asText();
        assertThat(text).isEqualTo(generated.get("text").asText());
        assertThat(answer.at("/usage/prompt_tokens").asInt()).isEqualTo(generated.get("prompt_ids").size());
        assertThat(answer.at("/usage/completion_tokens").asInt()).isEqualTo(generated.get("new_ids").size());
        assertThat(answer.at("/choices/0/finish_reason").asText()).isEqualTo(answer.at("/sails/finish").asText()).isIn("stop", "length");
        List<JsonNode> pieces = events(post("/v1/chat/completions",
            chat("may I", ", \"max_completion_tokens\": 12, \"stream\": true, \"stream_options\": {\"include_usage\": true}")).body());
        StringBuilder joined = new StringBuilder();
        pieces.forEach(piece -> joined.append(piece.at("/choices/0/delta/content").asText()));
        assertThat(joined).hasToString(text);
        assertThat(pieces.getFirst().at("/choices/0/delta/role").asText()).isEqualTo("assistant");
        assertThat(pieces.get(pieces.size() - 2).at("/choices/0/finish_reason").asText())
            .isEqualTo(answer.at("/choices/0/finish_reason").asText());
        assertThat(pieces.getLast().at("/usage/total_tokens")).isEqualTo(answer.at("/usage/total_tokens"));
        JsonNode continued = answered("/v1/completions", "{\"prompt\": \"may I\", \"max_tokens\": 5, \"temperature\": 0}");
        assertThat(continued.get("object").asText()).isEqualTo("text_completion");
        assertThat(continued.at("/choices/0/text").isTextual()).isTrue();
    }

    @Test
    void aStopStringEndsTheTextBeforeIt() throws Exception {
        String text = answered("/v1/chat/completions", chat("tell", ", \"max_tokens\": 40")).at("/choices/0/message/content").asText();
        String stop = text.substring(text.length() / 2, text.length() / 2 + 2);
        JsonNode stopped = answered("/v1/chat/completions", chat("tell", ", \"max_tokens\": 40, \"stop\": [\"" + stop + "\"]"));
        assertThat(stopped.at("/choices/0/message/content").asText()).isEqualTo(text.substring(0, text.indexOf(stop)));
        assertThat(stopped.at("/choices/0/finish_reason").asText()).isEqualTo("stop");
    }

    @Test
    void manyClientsGetWhatEachGetsAlone() throws Exception {
        List<String> bodies = IntStream.range(0, 6).mapToObj(i -> chat("ask " + i, ", \"max_tokens\": " + (4 + i))
            .replace("\"temperature\": 0", "\"temperature\": " + i % 2 + ", \"seed\": " + i)).toList();
        List<String> alone = new ArrayList<>();
        for (String body : bodies) {
            alone.add(answered("/v1/chat/completions", body).at("/choices/0/message/content").asText());
        }
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<String>> answers = IntStream.range(0, 96).mapToObj(i -> threads.submit(
                () -> answered("/v1/chat/completions", bodies.get(i % 6)).at("/choices/0/message/content").asText())).toList();
            for (int i = 0; i < answers.size(); i++) {
                assertThat(answers.get(i).get()).isEqualTo(alone.get(i % 6));
            }
        }
    }

    private static void assertRefused(HttpResponse<String> response, int status, String... words) throws IOException {
        assertThat(response.statusCode()).as(response.body()).isEqualTo(status);
        assertThat(JSON.readTree(response.body()).at("/error/message").asText()).contains(words).doesNotContain("\n", "Exception");
    }

    @Test
    void whatIsWrongIsASentence() throws Exception {
        String path = "/v1/chat/completions";
        assertRefused(post(path, "{\"messages\": [}"), 400, "the body is not valid JSON");
        assertRefused(post(path, "[]"), 400, "expected a JSON object");
        assertRefused(post(path, "{}"), 400, "messages is missing");
        assertRefused(post(path, chat("a", ", \"max_tokens\": 0")), 400, "max_tokens is 0");
        assertRefused(post(path, chat("a", ", \"max_tokens\": 5000")), 400, "5000", "512 together");
        assertRefused(post(path, chat("a", ", \"max_tokens\": 1e3")), 400, "whole number");
        assertRefused(post(path, chat("a", ", \"top_p\": 2")), 400, "top_p is 2");
        assertRefused(post(path, chat("a", ", \"colour\": 2")), 400, "'colour' is not known");
        assertRefused(post(path, chat("a", ", \"n\": 2")), 400, "n is 2", "cannot do");
        assertRefused(post(path, chat("a", ", \"tools\": [{}]")), 400, "tools");
        assertRefused(post(path, chat("a", ", \"stop\": \"\"")), 400, "empty");
        assertRefused(post(path, chat("a ".repeat(400), "")), 400, "tokens", "512");
        assertRefused(post(path, chat("a", "").replace("\"small\"", "\"large\"")), 404, "no model 'large'", "small");
        assertRefused(post(path, chat("a", "").replace("user", "wizard")), 400, "wizard");
        assertRefused(post(path, "\"" + "x".repeat(70_000) + "\""), 413, "65536");
        assertRefused(CLIENT.send(to(path).GET().build(), BodyHandlers.ofString()), 405, "expected POST");
        assertRefused(CLIENT.send(to(path).POST(BodyPublishers.ofString("{}")).build(), BodyHandlers.ofString()), 415, "application/json");
        assertRefused(
            CLIENT.send(to(path).header("Content-Type", "application/json").POST(BodyPublishers.ofByteArray(new byte[] {'"', (byte) 0xff,
                '"'})).build(), BodyHandlers.ofString()),
            400, "not valid UTF-8");
        assertRefused(CLIENT.send(to("/v1/nothing").GET().build(), BodyHandlers.ofString()), 404, "/v1/nothing");
        HttpResponse<String> stranger = CLIENT.send(HttpRequest.newBuilder(to(path).build().uri()).GET().build(), BodyHandlers.ofString());
        assertRefused(stranger, 401, "API key is missing");
        assertThat(stranger.headers().firstValue("WWW-Authenticate")).hasValue("Bearer");
        assertThat(answered(path, chat("a", ", \"max_tokens\": 2, \"user\": \"me\", \"frequency_penalty\": 0.0, \"n\": 1")).has("id"))
            .isTrue();
    }

    @Test
    void modelsHealthAndMetrics() throws Exception {
        answered("/v1/chat/completions", chat("count me", ", \"max_tokens\": 3"));
        JsonNode models = JSON.readTree(CLIENT.send(to("/v1/models").GET().build(), BodyHandlers.ofString()).body());
        assertThat(models.at("/data/0/id").asText()).isEqualTo("small");
        assertThat(CLIENT.send(to("/v1/models/small").GET().build(), BodyHandlers.ofString()).statusCode()).isEqualTo(200);
        assertThat(CLIENT.send(to("/ready").GET().build(), BodyHandlers.ofString()).body()).isEqualTo("ready\n");
        String metrics = CLIENT.send(to("/metrics").GET().build(), BodyHandlers.ofString()).body();
        assertThat(metrics).containsPattern("sails_tokens_generated_total [1-9]").contains("sails_requests_waiting 0.0")
            .contains("sails_http_requests_total{path=\"/v1/chat/completions\",status=\"200\"}")
            .contains("sails_first_token_seconds_bucket");
    }

    @Test
    void aClientThatIsGoneIsNotAnsweredToTheEnd() throws Exception {
        long before = service.scheduler().state().ended().getOrDefault(Finish.CANCELLED, 0L);
        String body = "{\"prompt\": \"x\", \"stream\": true, \"temperature\": 2}";
        for (int i = 0; i < 5; i++) {
            try (Socket socket = new Socket("127.0.0.1", server.address().getPort())) {
                socket.getOutputStream().write(("POST /v1/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + KEY
                    + "\r\nContent-Type: application/json\r\nContent-Length: " + body.length() + "\r\n\r\n" + body)
                    .getBytes(StandardCharsets.UTF_8));
                assertThat(socket.getInputStream().read()).isEqualTo('H');
                socket.setSoLinger(true, 0);
            }
        }
        long patience = System.nanoTime() + 60_000_000_000L;
        while (service.scheduler().state().running() > 0 && System.nanoTime() < patience) {
            Thread.sleep(20);
        }
        assertThat(service.scheduler().state().running()).isZero();
        assertThat(service.scheduler().state().ended().getOrDefault(Finish.CANCELLED, 0L)).isGreaterThan(before);
    }

    @Test
    void whoSendsMoreThanIsTakenIsToldSo() throws Exception {
        try (RawClient client = RawClient.to(server.address().getPort())) {
            client.send(RawClient.post("/v1/completions", new byte[8 << 20], "Authorization: Bearer " + KEY + "\r\n"));
            RawClient.Answer answer = client.answer();
            assertThat(answer).isNotNull();
            assertThat(answer.status()).isEqualTo(413);
            assertThat(JSON.readTree(answer.body()).at("/error/message").asText()).contains("65536");
        }
    }

    /** The server of the JDK keeps what it was not told to forget. */
    @Test
    void clientsThatAreGoneAreForgotten() throws Exception {
        String body = "{\"prompt\": \"x\", \"stream\": true, \"temperature\": 2}";
        byte[] all = RawClient.post("/v1/completions", body.getBytes(StandardCharsets.UTF_8), "Authorization: Bearer " + KEY + "\r\n");
        for (int i = 0; i < 40; i++) {
            try (RawClient client = RawClient.to(server.address().getPort())) {
                if (i % 2 == 0) {
                    client.send(all).read();
                    client.reset();
                } else {
                    client.send(Arrays.copyOf(all, all.length - 5));
                }
            }
        }
        long patience = System.nanoTime() + 60_000_000_000L;
        while (connections() >= 20 && System.nanoTime() < patience) {
            Thread.sleep(100);
        }
        // Those of the clients of other tests may be open.
        assertThat(connections()).isLessThan(20);
    }

    private static int connections() throws Exception {
        String histogram = (String) ManagementFactory.getPlatformMBeanServer().invoke(
            new ObjectName("com.sun.management:type=DiagnosticCommand"), "gcClassHistogram", new Object[] {new String[0]},
            new String[] {String[].class.getName()});
        return histogram.lines().filter(line -> line.contains(" sun.net.httpserver.HttpConnection "))
            .mapToInt(line -> Integer.parseInt(line.strip().split("\\s+")[1])).sum();
    }

    @Test
    void headHasNoBody() throws Exception {
        StringWriter said = new StringWriter();
        TerminalLoggers.printTo(new PrintWriter(said));
        try (RawClient client = RawClient.to(server.address().getPort())) {
            for (int i = 0; i < 2; i++) {
                RawClient.Answer answer = client.send(RawClient.bytes("HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n")).answer(true);
                assertThat(answer).isNotNull();
                assertThat(answer.status()).isEqualTo(200);
            }
        } finally {
            TerminalLoggers.printTo(new PrintWriter(System.err, true));
        }
        assertThat(said.toString()).doesNotContain("HEAD");
    }

    /** A process of its own: it says where it listens, gives the answer under way, and ends. */
    @Test
    void sigtermLetsAnswersEnd() throws Exception {
        ProcessBuilder builder = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--enable-native-access=ALL-UNNAMED", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp",
            System.getProperty("java.class.path"),
            "io.sails4j.cli.Main", "serve", "--model", directory.resolve("model").toString(), "--template", "llama3", "--port", "0",
            "--backend", "cpu", "--threads", "1", "--name", "small", "--room", "2000");
        Process process = builder.redirectError(directory.resolve("serve.err").toFile()).start();
        try (BufferedReader out = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
            @Nullable
            String url = out.readLine();
            assertThat(url).startsWith("http://127.0.0.1:").endsWith("/v1");
            HttpRequest request = HttpRequest.newBuilder(URI.create(url + "/completions")).header("Content-Type", "application/json")
                .POST(
                    BodyPublishers.ofString("{\"prompt\": \"x\", \"stream\": true, \"temperature\": 2, \"max_tokens\": 900, \"seed\": 3}"))
                .build();
            HttpResponse<Stream<String>> response = CLIENT.send(request, BodyHandlers.ofLines());
            List<String> lines = new ArrayList<>();
            response.body().forEach(line -> {
                if (lines.isEmpty()) {
                    process.destroy();
                }
                lines.add(line);
            });
            assertThat(lines.stream().filter(line -> !line.isEmpty())).last().isEqualTo("data: [DONE]");
            process.waitFor();
            assertThat(process.exitValue()).isEqualTo(128 + 15);
        } finally {
            process.destroyForcibly();
        }
    }

    @Test
    void wrongOptionsAreASentence() {
        Path folder = directory.resolve("model");
        CommandRun.of("serve", "--model", folder, "--port", "70000").requireWrong("--port is 70000", "65535");
        CommandRun.of("serve", "--model", folder, "--host", "no.such.host.invalid", "--port", "0").requireWrong("--host",
            "no.such.host.invalid");
        CommandRun.of("serve", "--model", folder, "--api-key-file", directory.resolve("none")).requireWrong("--api-key-file");
        CommandRun.of("serve", "--model", folder, "--room", "999999999", "--port", "0").requireWrong("999999999");
        CommandRun.of("serve", "--model", folder, "--port", String.valueOf(server.address().getPort())).requireWrong("cannot listen");
    }

    @Test
    void logProbabilities() throws Exception {
        JsonNode answer = answered("/v1/chat/completions", chat("may I", ", \"max_tokens\": 6, \"logprobs\": true, \"top_logprobs\": 3"));
        JsonNode content = answer.at("/choices/0/logprobs/content");
        int tokens = answer.at("/usage/completion_tokens").asInt();
        assertThat(content.size()).isBetween(tokens - 1, tokens);
        for (JsonNode token : content) {
            // Greedy: the chosen token is the likeliest.
            assertThat(token.at("/top_logprobs/0/logprob")).isEqualTo(token.get("logprob"));
            assertThat(token.get("top_logprobs").size()).isEqualTo(3);
            assertThat(token.at("/top_logprobs/1/logprob").asDouble()).isBetween(-50.0, token.get("logprob").asDouble());
        }
        List<JsonNode> pieces = events(post("/v1/chat/completions",
            chat("may I", ", \"max_tokens\": 6, \"logprobs\": true, \"top_logprobs\": 3, \"stream\": true")).body());
        List<JsonNode> streamed = new ArrayList<>();
        pieces.forEach(piece -> piece.at("/choices/0/logprobs/content").forEach(streamed::add));
        assertThat(streamed).hasSize(content.size()).first().isEqualTo(content.get(0));
        JsonNode continued = answered("/v1/completions", "{\"prompt\": \"may I\", \"max_tokens\": 5, \"temperature\": 0, \"logprobs\": 2}");
        assertThat(continued.at("/choices/0/logprobs/token_logprobs").size()).isEqualTo(continued.at("/choices/0/logprobs/tokens").size());
        assertThat(continued.at("/choices/0/logprobs/top_logprobs/0").size()).isBetween(1, 2);
        assertThat(post("/v1/chat/completions", chat("may I", ", \"top_logprobs\": 3")).body()).contains("logprobs is not true");
        assertThat(post("/v1/chat/completions", chat("may I", ", \"logprobs\": true, \"top_logprobs\": 21")).body())
            .contains("expected a whole number from 0 to 20");
    }
}
