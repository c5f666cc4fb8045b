package io.sails4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sails4j.InputException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PreferenceReaderTest {
    private static final String GOOD = "{\"chosen\": \"\\n\\nHuman: hi\\n\\nAssistant: hello\", \"rejected\": \"\\n\\nHuman:"
        + " hi\\n\\nAssistant: go away\"}";

    @TempDir
    private Path directory;

    private Path file(String name, String text) throws IOException {
        return Files.writeString(directory.resolve(name), text);
    }

    private static byte[] gzip(String text) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (GZIPOutputStream out = new GZIPOutputStream(bytes)) {
            out.write(text.getBytes(StandardCharsets.UTF_8));
        }
        return bytes.toByteArray();
    }

    private static String hh(String chosen, String rejected) {
        return "{\"chosen\": \"" + chosen + "\", \"rejected\": \"" + rejected + "\"}";
    }

    private static void refuses(Path file, String... parts) {
        assertThatThrownBy(() -> PreferenceReader.read(file)).isInstanceOf(InputException.class)
            .hasMessageContaining(file.toString()).hasMessageContainingAll(parts);
    }

    @Test
    void splitsADialogueAtItsLastAnswer() throws IOException {
        String shared = "\\n\\nHuman: a\\n\\nAssistant: b\\n\\nHuman: c\\n\\nAssistant:";
        Path file = file("a.jsonl", hh(shared + " yes", shared + " no"));
        PreferenceSet set = PreferenceReader.read(file);
        assertThat(set.pairs()).containsExactly(new PreferencePair(
            List.of(new Message("user", "a"), new Message("assistant", "b"), new Message("user", "c")), "yes", "no", Origin.line(file, 1)));
        assertThat(set.report().leftOut()).isEmpty();
    }

    @Test
    void readsTrlAsTextAsMessagesAndWithAnImplicitPrompt() throws IOException {
        String user = "{\"role\": \"user\", \"content\": \"q\"}";
        String yes = "{\"role\": \"assistant\", \"content\": \"yes\"}";
        String no = "{\"role\": \"assistant\", \"content\": \"no\"}";
        List<Message> prompt = List.of(new Message("user", "q"));
        for (String record : List.of(
            "{\"prompt\": \"q\", \"chosen\": \"yes\", \"rejected\": \"no\"}",
            "{\"prompt\": [" + user + "], \"chosen\": [" + yes + "], \"rejected\": [" + no + "]}",
            "{\"chosen\": [" + user + "," + yes + "], \"rejected\": [" + user + "," + no + "]}")) {
            Path file = file("a.jsonl", record);
            assertThat(PreferenceReader.read(file).pairs())
                .containsExactly(new PreferencePair(prompt, "yes", "no", Origin.line(file, 1)));
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "different prompts | \\n\\nHuman: a\\n\\nAssistant: x | \\n\\nHuman: b\\n\\nAssistant: y",
        "are the same      | \\n\\nHuman: a\\n\\nAssistant: x | \\n\\nHuman: a\\n\\nAssistant: x",
        "are the same      | \\n\\nHuman: a\\n\\nAssistant: x | \\n\\nHuman: a\\n\\nAssistant: x ",
        "answer is empty   | \\n\\nHuman: a\\n\\nAssistant:   | \\n\\nHuman: a\\n\\nAssistant: y",
        "Assistant:'       | \\n\\nHuman: a                  | \\n\\nHuman: a\\n\\nAssistant: y",
        "answer at the end | \\n\\nHuman: a\\n\\nAssistant: x\\n\\nHuman: z | \\n\\nHuman: a\\n\\nAssistant: y",
        "not alternate     | \\n\\nHuman: a\\n\\nHuman: b\\n\\nAssistant: x | \\n\\nHuman: a\\n\\nHuman: b\\n\\nAssistant: y",
        "prompt is empty   | \\n\\nHuman: \\n\\nAssistant: x | \\n\\nHuman: \\n\\nAssistant: y",
        "does not begin    | a\\n\\nAssistant: x | a\\n\\nAssistant: y"})
    void leavesOutAPairThatCannotBeUsedAndSaysWhy(String reason, String chosen, String rejected) throws IOException {
        PreferenceSet set = PreferenceReader.read(file("a.jsonl", GOOD + "\n" + hh(chosen, rejected + (reason.equals("are the same")
            && !rejected.equals(chosen) ? " " : "")) + "\n"));
        assertThat(set.pairs()).hasSize(1);
        assertThat(set.report().records()).isEqualTo(2);
        assertThat(set.report().sentences()).singleElement().asString().contains(reason, "1 pair left out", "(line 2)");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "{\"chosen\":                              | line 2",
        "{\"chosen\": \"x\", \"chosen\": \"y\", \"rejected\": \"z\"} | chosen",
        "{\"chosen\": \"x\", \"rejected\": \"z\"} trailing | line 2"})
    void refusesABrokenLineByItsNumber(String line, String expected) throws IOException {
        refuses(file("a.jsonl", GOOD + "\n" + line + "\n"), "line 2", expected);
    }

    /** Dialogues that went through a chat template are no plain text: its marks would be trained. */
    @ParameterizedTest
    @CsvSource(quoteCharacter = '"', delimiter = '#', value = {
        "<|im_start|>user\\na<|im_end|>\\n<|im_start|>assistant\\n#b#a turn of the prompt has '<|im_start|>'",
        "<start_of_turn>user\\na<end_of_turn>#b#a turn of the prompt has '<start_of_turn>'",
        "[INST] a [/INST]#b#a turn of the prompt has '[INST]'", "a#b<|eot_id|>#an answer has '<|eot_id|>'",
        "a#b </s>#an answer's end has '</s>'", "USER: a ASSISTANT:#b#the prompt's end has 'ASSISTANT:'",
        "<|user|>\\na</s>#b#a turn of the prompt has '<|user|>'"})
    void leavesOutWhatAChatTemplateWrote(String prompt, String chosen, String reason) throws IOException {
        Path file = file("a.jsonl", "{\"prompt\":\"" + prompt + "\",\"chosen\":\"" + chosen + "\",\"rejected\":\"c\"}\n");
        refuses(file, reason, "a mark of a chat template, which would be trained as text (line 1)");
    }

    @Test
    void readsWhatOnlySpeaksOfMarks() throws IOException {
        String line = "{\"prompt\":\"Is </s> a tag? I want to be an Assistant\",\"chosen\":\"b </s> c\",\"rejected\":\"c\"}\n";
        assertThat(PreferenceReader.read(file("a.jsonl", line)).pairs()).hasSize(1);
    }

    @Test
    void leavesOutCallsOfTools() throws IOException {
        String line = "{\"prompt\":\"a\",\"chosen\":[{\"role\":\"assistant\",\"content\":\"b\",\"tool_calls\":%s}],\"rejected\":"
            + "[{\"role\":\"assistant\",\"content\":\"c\"}]}\n";
        assertThat(PreferenceReader.read(file("a.jsonl", line.formatted("null") + line.formatted("[]"))).pairs()).hasSize(2);
        refuses(file("b.jsonl", line.formatted("[{\"function\":{}}]")), "'tool_calls'", "calls of tools (line 1)");
    }

    @Test
    void acceptsCrlfLineEndsAndAByteOrderMark() throws IOException {
        PreferenceSet set = PreferenceReader.read(file("a.jsonl", "\ufeff" + GOOD + "\r\n" + GOOD + "\r\n"));
        assertThat(set.pairs()).hasSize(2);
        assertThat(set.pairs().getLast().rejected()).isEqualTo("go away");
    }

    @Test
    void keepsLineEndsInsideTextAsTheyAre() throws IOException {
        PreferenceSet set = PreferenceReader
            .read(file("a.jsonl", "{\"prompt\": \"q\", \"chosen\": \"a\\r\\nb\", \"rejected\": \"c\"}\r\n"));
        assertThat(set.pairs().getFirst().chosen()).isEqualTo("a\r\nb");
    }

    @Test
    void saysWhereATruncatedGzipEnds() throws IOException {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 2000; i++) {
            text.append(hh("\\n\\nHuman: " + Integer.toHexString(i * 7919) + "\\n\\nAssistant: x", "\\n\\nHuman: "
                + Integer.toHexString(i * 7919) + "\\n\\nAssistant: y")).append('\n');
        }
        byte[] whole = gzip(text.toString());
        Path file = directory.resolve("a.jsonl.gz");
        assertThat(PreferenceReader.read(Files.write(file, whole)).pairs()).hasSize(2000);
        refuses(Files.write(file, Arrays.copyOf(whole, whole.length / 2)), "is cut off", "after line ");
        refuses(Files.write(file, Arrays.copyOf(whole, whole.length - 4)), "is cut off", "after line 2000");
        refuses(Files.write(file, Arrays.copyOf(whole, 5)), "is cut off", "after line 0");
    }

    @Test
    void refusesWhatIsNoFileOfPairs() throws IOException {
        refuses(directory.resolve("absent.jsonl"), "does not exist");
        refuses(directory, "not a regular file");
        refuses(file("empty.jsonl", ""), "is empty");
        refuses(file("blank.jsonl", "\n \n"), "no usable preference pair");
        refuses(file("plain.jsonl.gz", GOOD + "\n"), "not a gzip file");
        byte[] bytes = (GOOD + "\n").repeat(2).getBytes(StandardCharsets.UTF_8);
        bytes[GOOD.length() + 30] = (byte) 0xff;
        refuses(Files.write(directory.resolve("utf8.jsonl"), bytes), "line 2", "UTF-8");
    }

    @Test
    void namesALineThatIsTooLong() throws IOException {
        Path file = directory.resolve("long.jsonl");
        try (var out = Files.newBufferedWriter(file)) {
            out.write(GOOD + "\n");
            String block = "x".repeat(1 << 20);
            for (int i = 0; i < 65; i++) {
                out.write(block);
            }
        }
        refuses(file, "line 2", "longer than");
    }

    @Test
    void readsTheRealHarmlessPairs() {
        Path file = Path.of(System.getProperty("sails.data", "../../shared/data"), "hh-rlhf", "harmless-base-a.jsonl.gz");
        assumeTrue(Files.exists(file), () -> "skipped: the HH-RLHF sample " + file + " is absent");
        PreferenceSet set = PreferenceReader.read(file);
        assertThat(set.report().records()).isEqualTo(1800);
        assertThat(set.pairs().size() + set.report().leftOut().values().stream().mapToLong(Long::longValue).sum()).isEqualTo(1800);
        assertThat(set.report().leftOut()).isEqualTo(Map.of("an answer is empty", 4L,
            "the turns do not alternate user, assistant, ...", 3L, "chosen and rejected answer different prompts", 2L));
        assertThat(set.pairs()).hasSize(1791);
    }
}
