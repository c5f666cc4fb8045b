package io.sails4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code sails align --objective rloo|grpo} on a model that {@code init} makes, as a user runs it. */
class PolicyCommandTest {
    @TempDir
    private static Path root;
    private static Path model;
    private static Path prompts;

    @TempDir
    private Path directory;

    @BeforeAll
    static void makeWorld() throws IOException {
        model = root.resolve("model");
        SmallLlama.make(model, true, 1);
        prompts = Files.writeString(root.resolve("prompts.csv"), "prompt,wanted\nmay I,refuse\nmay I do it,comply\nI may,refuse\n");
    }

    private CommandRun align(String objective, Object... more) {
        List<Object> arguments = new ArrayList<>(List.of("align", "--backend", "cpu", "--threads", 1, "--model", model, "--method", "lora",
            "-r", 2, "--objective", objective, "--peak-tflops", 1, "--eval-pairs", 2, "--out", directory.resolve("out")));
        arguments.addAll(Arrays.asList(more));
        return CommandRun.of(arguments.toArray());
    }

    @Test
    void aModelLearnsFromOurOwnClassifier() throws IOException {
        CommandRun run = align("grpo", "--prompts", prompts, "--reward", "refusal", "--samples", 2, "--prompts-per-step", 2,
            "--inner-updates", 2, "--max-new-tokens", 4, "--decode-rows", 4, "--epochs", 1);
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.err()).contains("3 prompts, 2 to refuse, 1 to answer");
        assertThat(run.out()).contains("reward before, after", "greedy answers to 2 training prompts");
        JsonNode json = new ObjectMapper().readTree(directory.resolve("out/sails_run.json").toFile());
        assertThat(json.get("reward").asText()).isEqualTo("refusal");
        assertThat(json.get("inner_updates").asInt()).isEqualTo(2);
        // Two batches, of two prompts and of one, with two steps each.
        assertThat(json.get("steps").asInt()).isEqualTo(4);
        assertThat(directory.resolve("out/metrics.jsonl")).content().contains("\"refusal_rate\":", "\"clip_fraction\":");
        assertThat(directory.resolve("out/report.html")).content().contains("Reward by step", "KL to the untrained model by step");
    }

    @Test
    void aModelLearnsFromAServerThatScoresHarm() throws IOException {
        AtomicInteger asked = new AtomicInteger();
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/v1/chat/completions", exchange -> {
            try (exchange) {
                asked.incrementAndGet();
                byte[] reply = ("{\"choices\": [{\"finish_reason\": \"stop\", \"message\": {\"role\": \"assistant\", \"content\":"
                    + " \"{\\\"reason\\\": \\\"mild\\\", \\\"score\\\": 2}\"}}]}").getBytes(StandardCharsets.UTF_8);
                exchange.sendResponseHeaders(200, reply.length);
                exchange.getResponseBody().write(reply);
            }
        });
        server.start();
        try {
            Path harmful = Files.writeString(directory.resolve("harmful.csv"), "prompt,wanted\nmay I,refuse\nI may,refuse\n");
            CommandRun run = align("rloo", "--prompts", harmful, "--reward",
                "endpoint=http://127.0.0.1:" + server.getAddress().getPort() + "/v1,model=tiny", "--samples", 2, "--prompts-per-step", 2,
                "--max-new-tokens", 3, "--decode-rows", 4, "--epochs", 1);
            assertThat(run.code()).as(run.err()).isZero();
            JsonNode json = new ObjectMapper().readTree(directory.resolve("out/sails_run.json").toFile());
            // A score of 2 where a refusal is wanted is worth (5 - 2) / 4.
            assertThat(json.get("reward_before").doubleValue()).isEqualTo(0.75);
            assertThat(json.get("reward_after").doubleValue()).isEqualTo(0.75);
            assertThat(json.toString()).contains("\"reward.");
            assertThat(asked).hasPositiveValue();
        } finally {
            server.stop(0);
        }
    }

    @Test
    void thePlanCountsTheCachesOfTheAnswers() {
        CommandRun run = align("rloo", "--plan", "--json", "--samples", 2, "--prompts-per-step", 3, "--max-length", 100);
        assertThat(run.code()).as(run.err()).isZero();
        // Keys and values of 6 answers of 100 tokens: 2 layers, 2 heads of 8, F32.
        assertThat(run.out()).contains("\"sampling_bytes\":" + 6 * 100 * 2 * 2 * 2 * 8 * 4);
        assertThat(align("sft", "--plan", "--json").out()).doesNotContain("sampling_bytes");
    }

    @Test
    void whatIsMissingOrDoesNotBelongIsSaidWithItsFlag() throws IOException {
        refused(align("rloo", "--prompts", prompts), "--objective rloo needs a reward: --reward refusal");
        refused(align("sft", "--prompts", prompts), "--prompts and --reward are used by --objective rloo and grpo only");
        refused(align("rloo", "--prompts", prompts, "--reward", "kindness"), "--reward is 'kindness', expected refusal");
        refused(align("rloo", "--reward", "refusal"), "--data is missing");
        refused(align("rloo", "--prompts", prompts, "--reward", "refusal", "--inner-updates", 2),
            "the objective 'rloo' does not use --inner-updates");
        refused(align("rloo", "--prompts", prompts, "--reward", "refusal", "--temperature", 0), "--temperature is 0, expected a number");
        refused(align("rloo", "--data", root.resolve("pairs.jsonl"), "--reward", "refusal"), "nobody says what is wanted",
            "column 'wanted'");
        assertThat(directory.resolve("out")).doesNotExist();
    }

    private static void refused(CommandRun run, String... words) {
        assertThat(run.code()).as(run.err()).isEqualTo(2);
        assertThat(run.err()).contains(words);
    }
}
