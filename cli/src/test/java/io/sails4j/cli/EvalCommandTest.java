package io.sails4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sails4j.options.Options;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code sails eval} on a model that {@code init} makes, as a user runs it. */
class EvalCommandTest {
    @TempDir
    private static Path root;
    private static Path model;
    private static Path other;
    private static Path prompts;

    @TempDir
    private Path directory;

    @BeforeAll
    static void makeWorld() throws IOException {
        model = root.resolve("model");
        SmallLlama.make(model, true, 1);
        other = root.resolve("other");
        SmallLlama.make(other, true, 2);
        StringBuilder table = new StringBuilder("id,prompt,type,label,focus,note\n");
        for (int i = 0; i < 9; i++) {
            table.append(i).append(",may I").append(" do it".repeat(i % 4))
                .append(i % 2 == 0 ? ",homonyms,safe,," : ",contrast_homonyms,unsafe,,")
                .append('\n');
        }
        prompts = Files.writeString(root.resolve("prompts.csv"), table);
    }

    private static CommandRun eval(Path out, Object... more) {
        List<Object> arguments = new ArrayList<>(List.of("eval", "--backend", "cpu", "--threads", 1, "--model", model, "--arm",
            "other=" + other, "--prompts", prompts, "--max-new-tokens", 12, "--temperature", 1, "--seed", 3, "--decode-rows", 5, "--out",
            out));
        arguments.addAll(Arrays.asList(more));
        return CommandRun.of(arguments.toArray());
    }

    private static void assertSame(Path a, Path b) throws IOException {
        for (String name : List.of("completions.jsonl", "eval.json")) {
            assertThat(Files.readString(b.resolve(name))).isEqualTo(Files.readString(a.resolve(name)));
        }
    }

    @Test
    void theSameBytesWhateverTheBatchAndAfterAKill() throws IOException {
        Path whole = directory.resolve("whole");
        CommandRun run = eval(whole, "--batch", 1);
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.err()).contains("is XSTest, 9 prompts, 4 to refuse, 5 to answer");
        assertThat(run.out()).contains("over_refusal_rate", "safety_rate", "other - base", "McNemar p");
        Path batched = directory.resolve("batched");
        assertThat(eval(batched, "--batch", 64).code()).isZero();
        assertSame(whole, batched);
        // A process was killed while it wrote its fourth answer.
        Path killed = directory.resolve("killed");
        Path partial = Files.createDirectory(directory.resolve("killed.partial"));
        JsonNode eval = new ObjectMapper().readTree(whole.resolve("eval.json").toFile());
        Files.writeString(partial.resolve("run.json"), eval.get("run").toString());
        String answer = "{\"arm\":0,\"prompt\":%d,\"completion\":%s,\"tokens\":%d,\"stopped\":%b}\n";
        List<JsonNode> lines = new ArrayList<>();
        for (String line : Files.readAllLines(whole.resolve("completions.jsonl"))) {
            lines.add(new ObjectMapper().readTree(line));
        }
        StringBuilder journal = new StringBuilder();
        for (int i : new int[] {2, 0, 5, 1}) {
            JsonNode line = lines.get(i);
            journal.append(answer.formatted(i, line.get("completion"), line.get("tokens").asInt(), line.get("stopped").asBoolean()));
        }
        byte[] bytes = journal.toString().getBytes(StandardCharsets.UTF_8);
        Files.write(partial.resolve("completions.jsonl"), Arrays.copyOf(bytes, bytes.length - 9));
        assertThat(eval(killed).err()).contains("killed.partial holds an earlier evaluation", "--resume");
        CommandRun otherwise = eval(killed, "--resume", "--top-k", 3);
        assertThat(otherwise.err()).contains("--top-k was 0 and is now 3");
        assertThat(eval(killed, "--resume").code()).isZero();
        assertSame(whole, killed);
        assertThat(partial).doesNotExist();
    }

    @Test
    void metricsHaveIntervalsAndCounts() throws IOException {
        Path out = directory.resolve("out");
        // The judge says complied of the second, which people call a refusal.
        Path labelled = Files.writeString(directory.resolve("labelled.csv"), "prompt,completion,final_label\n"
            + "a,I cannot help with that.,2_full_refusal\n".repeat(8) + "a,\"Sure, do this: 1, 2, 3.\",2_full_refusal\n".repeat(2)
            + "a,\"Sure, do this: 1, 2, 3.\",1_full_compliance\n".repeat(10));
        CommandRun run = eval(out, "--limit", 6, "--json", "--calibration", labelled);
        assertThat(run.code()).as(run.err()).isZero();
        JsonNode json = new ObjectMapper().readTree(run.out());
        assertThat(new ObjectMapper().readTree(out.resolve("eval.json").toFile())).isEqualTo(json);
        assertThat(out.resolve("report.html")).content().contains("over-refusal rate", "prompts.csv");
        assertThat(CommandRun.of("report", out, "--out", directory.resolve("report")).out()).contains("evaluation  " + out,
            "report/report.html");
        JsonNode part = new ObjectMapper().readTree(directory.resolve("report/report.json").toFile()).get("parts").get(0);
        assertThat(part.get("metrics").get(0).get("value")).isEqualTo(json.get("metrics").get(0).get("value"));
        assertThat(json.path("run").path("arms").path("other").path("model_sha256").asText()).hasSize(64);
        JsonNode metric = json.get("metrics").get(0);
        assertThat(metric.get("measure").asText()).isEqualTo("safety_rate");
        assertThat(metric.get("n").asInt() + metric.get("undecided").asInt()).isEqualTo(3);
        assertThat(metric.get("low").asDouble()).isLessThan(metric.get("high").asDouble());
        assertThat(metric.get("corrected").get("value").asDouble()).isCloseTo(metric.get("value").asDouble() / 0.8, Offset.offset(1e-9));
        assertThat(json.get("comparisons").get(0).get("mcnemar_p").asDouble()).isBetween(0.0, 1.0);
        for (Options.Entry entry : Options.of(AllOptions.ofEval().getFirst())) {
            assertThat(json.get("run").has(entry.name())).as(entry.name()).isEqualTo(entry.decides());
        }
    }

    private static CommandRun utility(Path out, Object... more) {
        List<Object> arguments = new ArrayList<>(List.of("eval", "--backend", "cpu", "--threads", 1, "--model", model, "--arm",
            "other=" + other, "--out", out));
        arguments.addAll(Arrays.asList(more));
        return CommandRun.of(arguments.toArray());
    }

    @Test
    void usefulnessIsMeasuredAndGoesOnAfterAKill() throws IOException {
        Path texts = Files.writeString(directory.resolve("texts.csv"), "text\nyes you may\nno\nmay I do it\n");
        Path questions = Files.writeString(directory.resolve("may_test.csv"), "may I?,yes,no,do,it,A\nmay you?,no,do it,yes,I,C\n");
        Path benign = Files.writeString(directory.resolve("benign.txt"), "may I do it\nyes\n");
        Object[] files = {"--perplexity", texts, "--choices", questions, "--kl", benign, "--kl-tokens", 4, "--choice-form", "text",
            "--json"};
        Path whole = directory.resolve("whole");
        CommandRun run = utility(whole, files);
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.err()).contains("3 documents", "2 questions of 1 subject", "benign.txt is lines of text, 2 prompts");
        JsonNode json = new ObjectMapper().readTree(run.out());
        List<String> measures = new ArrayList<>();
        for (JsonNode metric : json.get("utility")) {
            measures.add(metric.get("arm").asText() + " " + metric.get("measure").asText() + " " + metric.get("n").asInt());
            assertThat(metric.get("estimate").asDouble()).isBetween(metric.get("low").asDouble(), metric.get("high").asDouble());
        }
        assertThat(measures).containsExactly("base perplexity 3", "base bits_per_byte 3", "base choice_acc 2", "base choice_acc_norm 2",
            "other perplexity 3", "other bits_per_byte 3", "other choice_acc 2", "other choice_acc_norm 2", "other kl_from_base 2");
        assertThat(whole.resolve("completions.jsonl")).doesNotExist();
        // A process was killed while it measured: some lines are there, and a part of one.
        Path partial = Files.createDirectory(directory.resolve("killed.partial"));
        Files.writeString(partial.resolve("run.json"), json.get("run").toString());
        StringBuilder journal = new StringBuilder();
        for (String line : Files.readAllLines(whole.resolve("utility.jsonl"))) {
            if (line.contains("\"arm\":\"base\"") && !line.contains("\"item\":1")) {
                journal.append(line.replace("\"arm\":\"base\"", "\"arm\":0").replaceFirst("\"file\":\"[^\"]*\"", "\"file\":0"))
                    .append('\n');
            }
        }
        Files.writeString(partial.resolve("utility.jsonl"), journal + "{\"arm\":0,\"ki");
        Path killed = directory.resolve("killed");
        Object[] again = Arrays.copyOf(files, files.length + 1);
        again[files.length] = "--resume";
        CommandRun resumed = utility(killed, again);
        assertThat(resumed.code()).as(resumed.err()).isZero();
        for (String name : List.of("utility.jsonl", "eval.json")) {
            assertThat(Files.readString(killed.resolve(name))).isEqualTo(Files.readString(whole.resolve(name)));
        }
        assertThat(partial).doesNotExist();
    }

    @Test
    void wrongFilesOfUtilityAreSentences() throws IOException {
        Path out = directory.resolve("out");
        Path questions = Files.writeString(directory.resolve("may_test.csv"), "may I?,yes,no,do,it,A\n");
        utility(out).requireWrong("there is nothing to evaluate", "--perplexity");
        utility(out, "--choices", questions, "--judge", "refusal").requireWrong("no answers to judge", "--prompts");
        assertThat(utility(out, "--choices", questions, "--shots", 2).err()).contains("--shots 2 needs examples");
        assertThat(utility(out, "--choices", questions, "--choices-dev", questions).err()).contains("expected questions, and --shots 1");
        assertThat(utility(out, "--perplexity", questions + "=text").err()).contains("has no column 'text'");
        assertThat(utility(out, "--perplexity", directory.resolve("gone.txt")).err()).contains("gone.txt does not exist");
        assertThat(utility(out, "--choices", questions, "--kl-tokens", 0).err()).contains("--kl-tokens is 0");
        CommandRun alone = CommandRun.of("eval", "--backend", "cpu", "--model", model, "--kl", prompts, "--out", out);
        assertThat(alone.err()).contains("needs an arm 'base'", "add an adapter");
        assertThat(directory.resolve("out.partial").resolve("run.json")).doesNotExist();
    }

    @Test
    void wrongInputIsASentence() throws IOException {
        Path out = directory.resolve("out");
        Path table = Files.writeString(directory.resolve("t.csv"), "question,answer\na,b\n");
        CommandRun.of("eval", "--model", model, "--prompts", table, "--out", out).requireWrong("t.csv has the columns question, answer");
        CommandRun twice = eval(out, "--prompts", prompts);
        assertThat(twice.code()).isEqualTo(2);
        assertThat(twice.err()).contains("two files of prompts are called 'prompts.csv'");
        assertThat(eval(out, "--arm", "base=" + other).err()).contains("two arms are called 'base'");
        assertThat(eval(out, "--calibration", table).err()).contains("t.csv has no column of people's labels", "it has question, answer");
        assertThat(eval(out, "--arm", "gone=" + root.resolve("gone")).err()).contains("gone does not exist");
        assertThat(eval(out, "--arm", "nothing").err()).contains("--arm is 'nothing', expected NAME=DIR");
        assertThat(eval(out, "--batch", 0).err()).contains("--batch is 0, expected 1 to 65536");
        assertThat(eval(out, "--max-new-tokens", 400_000).err()).contains("line 2 of", "prompts.csv", "--max-new-tokens 400000");
        assertThat(eval(out, "--resume").err()).contains("there is nothing to resume");
        try (Stream<Path> left = Files.list(directory)) {
            assertThat(left.filter(path -> path.toString().endsWith(".partial")).filter(path -> !path.toString().endsWith("out.partial")))
                .isEmpty();
        }
    }

    @Test
    void theTableOfTheDocumentationIsThisOne() throws IOException {
        assertThat(Files.readString(Path.of("../docs/evaluation-runs.md"))).contains(
            "<!-- options:begin -->\n" + AllOptions.table(AllOptions.ofEval(), "eval.json") + "<!-- options:end -->");
    }
}
