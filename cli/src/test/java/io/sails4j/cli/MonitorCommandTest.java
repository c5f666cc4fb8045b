package io.sails4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.data.Message;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelOptions;
import io.sails4j.monitor.Action;
import io.sails4j.monitor.Monitor;
import io.sails4j.monitor.MonitorFile;
import io.sails4j.monitor.MonitorReport;
import io.sails4j.monitor.MonitorSpec;
import io.sails4j.monitor.Part;
import io.sails4j.monitor.Rule;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.sae.Sae;
import io.sails4j.serve.ServeOptions;
import io.sails4j.serve.TextServer;
import io.sails4j.serving.SchedulerOptions;
import io.sails4j.serving.TextService;
import io.sails4j.tensor.HostTensor;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SequencedMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** From prompts to a monitor, and from the monitor to answers on the command line and over HTTP, on a Llama that {@code init} makes. */
class MonitorCommandTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int D_MODEL = 24;
    private static final int D_SAE = 40;

    @TempDir
    private static Path directory;
    private static Path model;
    private static Path monitor;
    private static String sae;

    @BeforeAll
    static void make() throws IOException {
        model = directory.resolve("model");
        SmallLlama.make(model, false, 0);
        Path saeLens = Files.createDirectories(directory.resolve("sae"));
        SequencedMap<String, HostTensor> arrays = new LinkedHashMap<>();
        arrays.put("W_enc", random(D_MODEL, D_SAE));
        arrays.put("W_dec", random(D_SAE, D_MODEL));
        arrays.put("b_enc", random(D_SAE));
        arrays.put("b_dec", random(D_MODEL));
        SafetensorsWriter.write(saeLens.resolve("sae_weights.safetensors"), arrays, Map.of());
        Files.writeString(saeLens.resolve("cfg.json"),
            "{\"d_in\": " + D_MODEL + ", \"d_sae\": " + D_SAE + ", \"metadata\": {\"hook_name\": \"blocks.1.hook_resid_post\"}}");
        sae = "1=" + saeLens;
        Files.writeString(directory.resolve("loud.txt"), IntStream.range(0, 30).mapToObj(i -> "no no " + "yes ".repeat(i % 5) + "no " + i)
            .collect(Collectors.joining("\n")));
        Files.writeString(directory.resolve("quiet.txt"), IntStream.range(0, 40).mapToObj(i -> "may I " + "you ".repeat(i % 7) + i)
            .collect(Collectors.joining("\n")));
        monitor = directory.resolve("monitor/monitor.json");
        CommandRun run = calibrate(directory.resolve("monitor"), "--false-alarm-rate", "0.1");
        assertThat(run.code()).as(run.err()).isZero();
        JsonNode rule = JSON.readTree(run.out()).at("/rules/0");
        assertThat(rule.get("rule").asText()).isEqualTo("layer-1");
        assertThat(rule.get("tested_quiet").asInt()).isEqualTo(20);
        assertThat(directory.resolve("monitor/report.html")).content().contains("How good the rules are");
        assertThat(rule.at("/detection_rate/value").asDouble()).isGreaterThan(0.5);
    }

    private static HostTensor random(long... dims) {
        Random random = new Random(4);
        float[] values = new float[(int) Arrays.stream(dims).reduce(1, (a, b) -> a * b)];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return HostTensor.ofFloats(values, dims);
    }

    private static CommandRun run(Object[] fixed, Object... more) {
        List<Object> all = new ArrayList<>(List.of(fixed));
        all.addAll(List.of(more));
        return CommandRun.of(all.toArray());
    }

    private static CommandRun calibrate(Path out, Object... more) {
        List<Object> fixed = new ArrayList<>(List.of("monitor", "calibrate", "--backend", "cpu", "--json", "--model", model, "--template",
            "llama3", "--sae", sae, "--prompts", directory.resolve("loud.txt") + "=refuse", "--prompts",
            directory.resolve("quiet.txt") + "=comply", "--out", out));
        IntStream.range(0, D_SAE).forEach(i -> fixed.addAll(List.of("--feature", "1:" + i)));
        return run(fixed.toArray(), more);
    }

    private static CommandRun generate(Object... more) {
        return run(new Object[] {"generate", "--backend", "cpu", "--model", model, "--template", "llama3", "--max-new-tokens", "6",
            "--ignore-eos", "--chat", "no no yes no 4"}, more);
    }

    @Test
    void anAnswerUnderAMonitorOnTheCommandLine() throws IOException {
        JsonNode plain = JSON.readTree(generate("--json").out());
        JsonNode watched = JSON.readTree(generate("--json", "--sae", sae, "--monitor", directory.resolve("monitor")).out());
        assertThat(watched.get("new_ids")).isEqualTo(plain.get("new_ids"));
        assertThat(watched.at("/monitor/stopped").asBoolean()).isFalse();
        assertThat(watched.at("/monitor/events/0/rule").asText()).isEqualTo("layer-1");
        assertThat(watched.at("/monitor/events/0/features/0/id").isInt()).isTrue();
        CommandRun stopped = generate("--sae", sae, "--monitor", monitor, "--on-alarm", "stop");
        assertThat(stopped.out()).contains("monitor: layer-1 is on at token ").contains("monitor: the answer was ended there");
        // An alarm that does not end before the answer begins.
        Path lasting = directory.resolve("lasting.json");
        Files.writeString(lasting, Files.readString(monitor).replaceFirst("\"off\" : [^,]*", "\"off\" : 1e9"));
        JsonNode steered = JSON
            .readTree(generate("--json", "--sae", sae, "--monitor", lasting, "--on-alarm", "steer=1:3=400,1:5=-300").out());
        assertThat(steered.get("new_ids")).isNotEqualTo(plain.get("new_ids"));
        CommandRun silent = run(new Object[] {"generate", "--backend", "cpu", "--model", model, "--max-new-tokens", "1", "--tokens", "0",
            "--sae", sae, "--monitor", monitor});
        assertThat(silent.out()).contains("monitor: no rule raised an alarm");
    }

    private static CommandRun eval(Path out, Object... more) {
        return run(new Object[] {"eval", "--backend", "cpu", "--threads", 1, "--model", model, "--template", "llama3", "--prompts",
            directory.resolve("loud.txt") + "=refuse", "--prompts", directory.resolve("quiet.txt") + "=comply", "--limit", 8,
            "--max-new-tokens", 6, "--out", out}, more);
    }

    private static List<JsonNode> lines(Path file) throws IOException {
        List<JsonNode> lines = new ArrayList<>();
        for (String line : Files.readAllLines(file)) {
            lines.add(JSON.readTree(line));
        }
        return lines;
    }

    /** Rules of prompts and answers look on: what they say is counted, and the answers are those without them. */
    @Test
    void anEvaluationUnderAMonitor() throws IOException {
        MonitorSpec spec = MonitorFile.read(monitor);
        Rule prompts = spec.rules().getFirst();
        Rule words = new Rule("words", prompts.signal(), Part.ANSWER, prompts.trigger(), new Action.Stop());
        Path both = directory.resolve("both.json");
        MonitorFile.write(both, new MonitorSpec(List.of(prompts, words), spec.saes()), List.of());
        Path watched = directory.resolve("watched");
        CommandRun run = eval(watched, "--sae", sae, "--monitor", both);
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out()).contains("alarm in the");
        Path plain = directory.resolve("plain");
        assertThat(eval(plain, "--batch", 1).code()).isZero();
        List<JsonNode> answers = lines(watched.resolve("completions.jsonl"));
        assertThat(answers).extracting(line -> line.get("completion").asText()).containsExactlyElementsOf(
            lines(plain.resolve("completions.jsonl")).stream().map(line -> line.get("completion").asText()).toList());
        JsonNode rates = JSON.readTree(watched.resolve("eval.json").toFile()).get("alarms");
        assertThat(rates).hasSize(4);
        assertThat(rates.get(0).get("wanted").asText() + " " + rates.get(0).get("part").asText()).isEqualTo("refuse prompt");
        for (JsonNode rate : rates) {
            long alarms = answers.stream().filter(line -> line.get("wanted").equals(rate.get("wanted")))
                .filter(line -> IntStream.range(0, line.get("monitor").size()).mapToObj(line.get("monitor")::get)
                    .anyMatch(event -> event.get("begins").asBoolean() && event.get("part").equals(rate.get("part"))))
                .count();
            assertThat(rate.get("alarms").asLong()).isEqualTo(alarms);
            assertThat(rate.get("n").asInt()).isEqualTo(8);
            assertThat(rate.get("low").asDouble()).isLessThanOrEqualTo(alarms / 8.0);
        }
        assertThat(rates.get(0).get("alarms").asInt()).isPositive().isGreaterThan(rates.get(2).get("alarms").asInt());
        assertThat(watched.resolve("report.html")).content().contains("Alarms of the monitor", "monitor: layer-1 is on at token");
        // A process was killed after some answers.
        Path killed = directory.resolve("killed");
        Path partial = Files.createDirectory(directory.resolve("killed.partial"));
        Files.writeString(partial.resolve("run.json"), JSON.readTree(watched.resolve("eval.json").toFile()).get("run").toString());
        StringBuilder journal = new StringBuilder();
        for (int i : new int[] {3, 0, 9}) {
            ObjectNode line = JSON.createObjectNode().put("arm", 0).put("prompt", i);
            for (String key : List.of("completion", "tokens", "stopped", "monitor")) {
                line.set(key, answers.get(i).get(key));
            }
            journal.append(line).append('\n');
        }
        Files.writeString(partial.resolve("completions.jsonl"), journal);
        CommandRun unwatched = eval(killed, "--resume");
        assertThat(unwatched.code()).isEqualTo(2);
        assertThat(unwatched.err()).contains("killed.partial: monitor was {\"rules\":\"layer-1, words\",").contains("and is now not set");
        CommandRun resumed = eval(killed, "--resume", "--sae", sae, "--monitor", both, "--batch", 3);
        assertThat(resumed.code()).as(resumed.err()).isZero();
        for (String name : List.of("completions.jsonl", "eval.json")) {
            assertThat(killed.resolve(name)).hasSameBinaryContentAs(watched.resolve(name));
        }
    }

    @Test
    void wrongUses() throws IOException {
        eval(directory.resolve("none"), "--monitor", monitor).requireWrong("--monitor needs the SAEs", "--sae LAYER=PATH");
        eval(directory.resolve("none"), "--sae", sae).requireWrong("nothing reads it", "--monitor FILE");
        run(new Object[] {"eval", "--model", model, "--perplexity", directory.resolve("quiet.txt"), "--out", directory.resolve("none")},
            "--monitor", monitor, "--sae", sae).requireWrong("there are none; give --prompts");
        generate("--monitor", monitor).requireWrong("there is no SAE", "--sae LAYER=PATH");
        generate("--on-alarm", "stop").requireWrong("--on-alarm says what a monitor does", "add --monitor FILE");
        generate("--sae", sae, "--monitor", monitor, "--on-alarm", "ring").requireWrong("--on-alarm is 'ring'", "steer=LAYER:FEATURE=X");
        generate("--sae", sae, "--monitor", monitor, "--on-alarm", "switch=safe").requireWrong("there is none; add --adapter DIR");
        generate("--sae", sae, "--monitor", model.resolve("config.json")).requireWrong("config.json is no monitor", "sails4j.monitor.1");
        run(new Object[] {"serve", "--model", model}, "--monitor", monitor).requireWrong("--monitor needs the SAEs", "--sae LAYER=PATH");
        run(new Object[] {"serve", "--model", model}, "--sae", sae).requireWrong("nothing reads it", "--monitor FILE");
        Path out = directory.resolve("wrong");
        CommandRun few = calibrate(out, "--false-alarm-rate", "0.01");
        assertThat(few.code()).isEqualTo(2);
        assertThat(few.err()).contains("--false-alarm-rate is 0.01").contains("99 quiet texts or more");
        calibrate(out, "--limit", "5").requireWrong("--limit", "it is about --data");
        calibrate(out, "--subspace", "x").requireWrong("--subspace and --feature both name features");
        assertThat(out).doesNotExist();
    }

    private static JsonNode post(TextServer server, String body) throws IOException, InterruptedException {
        return JSON.readTree(sent(server, body));
    }

    private static String sent(TextServer server, String body) throws IOException, InterruptedException {
        try (HttpClient client = HttpClient.newHttpClient()) {
            return client.send(HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + server.address().getPort()
                + (body.isEmpty() ? "/metrics" : "/v1/chat/completions"))).header("Content-Type", "application/json")
                .method(body.isEmpty() ? "GET" : "POST", BodyPublishers.ofString(body)).build(), BodyHandlers.ofString()).body();
        }
    }

    @Test
    void anAnswerUnderAMonitorOverHttp() throws Exception {
        MonitorSpec spec = MonitorFile.read(monitor).doing(new Action.Stop());
        String question = "{\"messages\": [{\"role\": \"user\", \"content\": \"no no yes no 4\"}], \"temperature\": 0, \"max_tokens\": 6";
        try (Engine engine = Engine.open(new EngineOptions("cpu", 1, "")); Sae read = Sae.load(directory.resolve("sae"), engine);
             CausalModel opened = CausalModel.load(model, engine, ModelOptions.defaults());
             Monitor watching = Monitor.open(opened, Map.of(1, read), spec);
             TextService service = TextService.open(opened, model, new LinkedHashMap<>(Map.of("small", AdapterStack.none())), "llama3",
                 new SchedulerOptions(4, 512, 4, 16, 20), watching);
             TextServer server = TextServer.start(service, new ServeOptions("127.0.0.1", 0, 64, 60, 5), null)) {
            JsonNode answer = post(server, question + "}");
            assertThat(answer.at("/choices/0/finish_reason").asText()).as(answer.toString()).isEqualTo("content_filter");
            assertThat(answer.at("/sails/finish").asText()).isEqualTo("monitor");
            assertThat(answer.at("/sails/events/0/rule").asText()).isEqualTo("layer-1");
            assertThat(answer.at("/sails/events/0/sentence").asText()).startsWith("layer-1 is on at token ");
            assertThat(answer.at("/usage/completion_tokens").asInt()).isZero();
            String pieces = sent(server, question + ", \"stream\": true}");
            assertThat(pieces).contains("\"finish_reason\":\"content_filter\"").contains("\"events\":[{\"rule\":\"layer-1\"");
            assertThat(sent(server, "")).contains("sails_monitor_events_total{action=\"stop\",rule=\"layer-1\"} 2.0");
            MonitorReport report = service.check(List.of(new Message("user", "no no yes no 4"), new Message("assistant", "yes")), "");
            assertThat(report.alarmed()).isTrue();
            assertThat(report.sentence()).startsWith("layer-1 is on");
            assertThat(service.check(List.of(new Message("user", "may I you 1")), "small").alarmed()).isFalse();
        }
    }
}
