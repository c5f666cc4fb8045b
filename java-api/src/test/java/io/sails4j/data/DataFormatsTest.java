package io.sails4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Every format, by a record of it that says the same, and what goes wrong beside it. Quotes are ' here. */
class DataFormatsTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String USER = "{'role': 'user', 'content': 'hi'}";
    private static final String YES = "{'role': 'assistant', 'content': 'yes'}";
    private static final String NO = "{'role': 'assistant', 'content': 'no'}";
    private static final Map<DataFormat, List<String>> RECORDS = Map.ofEntries(
        Map.entry(DataFormat.HH, List.of(
            "{'chosen': '\\n\\nHuman: hi\\n\\nAssistant: yes', 'rejected': '\\n\\nHuman: hi\\n\\nAssistant: no'}",
            "{'prompt': null, 'chosen': '\\n\\nHuman: hi\\n\\nAssistant: yes', 'rejected': '\\n\\nHuman: hi\\n\\nAssistant: no'}",
            "{'prompt': 'hi ', 'chosen': 'Human: hi\\n\\nAssistant: yes', 'rejected': 'Human: hi\\n\\nAssistant: no'}",
            "{'prompt': '\\n\\nHuman: hi\\n\\nAssistant:', 'chosen': '\\n\\nHuman: hi\\n\\nAssistant: yes',"
                + " 'rejected': '\\n\\nHuman: hi\\n\\nAssistant: no'}")),
        Map.entry(DataFormat.FULL_HH, List.of(
            "{'prompt': '\\n\\nHuman: hi\\n\\nAssistant:', 'response': ' yes', 'chosen': ' yes', 'rejected': ' no'}",
            "{'prompt': 'Human: hi\\n\\nAssistant: ', 'chosen': 'yes', 'rejected': 'no'}",
            "{'prompt': '\\n\\nHuman: hi', 'chosen': 'yes', 'rejected': 'no'}")),
        Map.entry(DataFormat.TRL_TEXT, List.of(
            "{'prompt': 'hi', 'chosen': 'yes', 'rejected': 'no'}",
            "{'prompt': ' hi\\n', 'chosen': 'yes\\u00a0', 'rejected': '\\u2003no', 'system': ''}")),
        Map.entry(DataFormat.TRL_MESSAGES, List.of(
            "{'prompt': [" + USER + "], 'chosen': [" + YES + "], 'rejected': [" + NO + "]}",
            "{'prompt': [" + USER + "], 'chosen': [" + USER + ", " + YES + "], 'rejected': [" + USER + ", " + NO + "]}")),
        Map.entry(DataFormat.MESSAGES_AND_TEXT, List.of("{'prompt': [" + USER + "], 'chosen': 'yes', 'rejected': 'no'}")),
        Map.entry(DataFormat.ULTRAFEEDBACK, List.of(
            "{'prompt': 'hi', 'chosen': [" + USER + ", " + YES + "], 'rejected': [" + USER + ", " + NO + "], 'score_chosen': NaN}",
            "{'prompt': 'hi', 'chosen': [" + YES + "], 'rejected': [" + NO + "]}")),
        Map.entry(DataFormat.IMPLICIT, List.of(
            "{'chosen': [" + USER + ", " + YES + "], 'rejected': [" + USER + ", " + NO + "]}",
            "{'prompt': [], 'chosen': [{'from': 'human', 'value': 'hi'}, {'from': 'gpt', 'value': 'yes'}],"
                + " 'rejected': [{'from': 'human', 'value': ' hi'}, {'from': 'gpt', 'value': 'no'}]}")),
        Map.entry(DataFormat.ORCA, List.of(
            "{'system': '', 'question': 'hi', 'chosen': 'yes', 'rejected': 'no'}",
            "{'system': null, 'question': 'hi', 'chosen': 'yes', 'rejected': 'no'}")),
        Map.entry(DataFormat.PKU_SAFER, List.of(
            "{'prompt': 'hi', 'response_0': 'no', 'response_1': 'yes', 'is_response_0_safe': false, 'is_response_1_safe': true,"
                + " 'better_response_id': 0, 'safer_response_id': 1}",
            "{'prompt': 'hi', 'response_0': 'yes', 'response_1': 'no', 'safer_response_id': 0}",
            "{'prompt': 'hi', 'response_0': 'yes', 'response_1': 'no', 'is_response_0_safe': true, 'is_response_1_safe': false}")),
        Map.entry(DataFormat.PKU_BETTER,
            List.of("{'prompt': 'hi', 'response_0': 'no', 'response_1': 'yes', 'better_response_id': 1}")),
        Map.entry(DataFormat.SHAREGPT, List.of(
            "{'conversations': [{'from': 'human', 'value': 'hi'}], 'chosen': {'from': 'gpt', 'value': 'yes'},"
                + " 'rejected': {'from': 'gpt', 'value': 'no'}}",
            "{'conversations': [{'role': 'user', 'content': 'hi'}], 'chosen': [" + YES + "], 'rejected': [" + NO + "]}")));

    @TempDir
    private Path directory;

    private Path file(String name, String text) throws IOException {
        return Files.writeString(directory.resolve(name), text.replace('\'', '"'));
    }

    private static String record(DataFormat format) {
        return RECORDS.getOrDefault(format, List.of()).getFirst();
    }

    private static List<PreferencePair> expected(Path file, Origin.Unit unit, int n) {
        List<PreferencePair> pairs = new ArrayList<>();
        for (int i = 1; i <= n; i++) {
            pairs.add(new PreferencePair(List.of(new Message("user", "hi")), "yes", "no", new Origin(file, unit, i)));
        }
        return pairs;
    }

    private void refuses(Path file, String... parts) {
        assertThatThrownBy(() -> PreferenceReader.read(file)).isInstanceOf(InputException.class)
            .hasMessageContaining(file.toString()).hasMessageContainingAll(parts)
            .hasMessageNotContainingAny("Feature", "StreamRead", "Jackson", "Source:", "Exception");
    }

    @ParameterizedTest
    @EnumSource
    void readsEveryFormatAsTheSamePair(DataFormat format) throws IOException {
        List<String> records = RECORDS.getOrDefault(format, List.of());
        Path lines = file("a.jsonl", String.join("\n", records));
        PreferenceSet set = PreferenceReader.read(lines);
        assertThat(set.report().sentences()).isEmpty();
        assertThat(set.pairs()).isEqualTo(expected(lines, Origin.Unit.LINE, records.size()));
        assertThat(set.format()).isEqualTo(format);
        Path array = file("a.json", "\ufeff [" + String.join(",\n", records) + "]\n");
        set = PreferenceReader.read(array);
        assertThat(set.pairs()).isEqualTo(expected(array, Origin.Unit.ENTRY, records.size()));
        assertThat(set.format()).isEqualTo(format);
        assertThat(set.report().unit()).isEqualTo("entries");
    }

    @ParameterizedTest
    @EnumSource
    void anotherFormatThanTheFilesIsLeftOutByItsName(DataFormat format) throws IOException {
        for (DataFormat other : DataFormat.values()) {
            if (other != format) {
                PreferenceSet set = PreferenceReader.read(file("a.jsonl", record(format) + "\n" + record(other) + "\n"));
                assertThat(set.format()).isEqualTo(format);
                assertThat(set.pairs()).hasSize(1);
                assertThat(set.report().sentences()).singleElement().asString().contains(format.title(), other.title(), "(line 2)");
            }
        }
    }

    @Test
    void mostOfTheFirstRecordsDecide() throws IOException {
        String trl = record(DataFormat.TRL_TEXT);
        String orca = record(DataFormat.ORCA);
        PreferenceSet set = PreferenceReader.read(file("a.jsonl", "{'x': 1}\n" + orca + "\n" + (trl + "\n").repeat(20) + orca));
        assertThat(set.format()).isEqualTo(DataFormat.TRL_TEXT);
        assertThat(set.pairs()).hasSize(20);
        assertThat(set.pairs().getFirst().origin().number()).isEqualTo(3);
        assertThat(set.report().sentences()).hasSize(2).anyMatch(s -> s.contains("lacks 'chosen', it has x (line 1)"))
            .anyMatch(s -> s.startsWith("2 pairs left out") && s.contains("(line 2, 23)"));
    }

    /**
     * Each field of each record missing, null, of another type: left out with a reason, or read as before where the field is not needed.
     */
    @ParameterizedTest
    @EnumSource
    void noFieldCanBeWrongInSilence(DataFormat format) throws IOException {
        JsonNode good = JSON.readTree(record(format).replace('\'', '"').replace("NaN", "1"));
        List<JsonNode> others = List.of(JSON.readTree("3"), JSON.readTree("true"), JSON.readTree("{}"), JSON.readTree("[]"),
            JSON.readTree("[1]"), JSON.readTree("[{}]"), JSON.readTree("\"\""), JSON.readTree("\"\u00a0\""), JSON.readTree("null"));
        for (String field : good.properties().stream().map(Map.Entry::getKey).toList()) {
            List<JsonNode> broken = new ArrayList<>();
            ObjectNode without = good.deepCopy();
            without.remove(field);
            broken.add(without);
            for (JsonNode other : others) {
                ObjectNode changed = good.deepCopy();
                changed.set(field, other);
                broken.add(changed);
            }
            Path file = file("a.jsonl",
                record(format) + "\n" + broken.stream().map(JsonNode::toString).collect(Collectors.joining("\n")) + "\n");
            PreferenceSet set = PreferenceReader.read(file);
            for (PreferencePair pair : set.pairs()) {
                assertThat(pair.prompt()).as(field).isEqualTo(List.of(new Message("user", "hi")));
                assertThat(pair.chosen()).as(field).isEqualTo("yes");
                assertThat(pair.rejected()).as(field).isEqualTo("no");
            }
            long leftOut = set.report().leftOut().values().stream().mapToLong(Long::longValue).sum();
            assertThat(set.pairs().size() + leftOut).isEqualTo(11);
            boolean needed = List.of("chosen", "rejected", "question", "response_0", "response_1", "conversations").contains(field);
            assertThat(leftOut).as(field).isBetween(needed ? 10L : 0L, 10L);
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "a further turn       | {'prompt': 'hi', 'chosen': 'yes\\n\\nHuman: more', 'rejected': 'no'} | would be trained as text",
        "another line end     | {'prompt': 'hi', 'chosen': 'yes', 'rejected': 'no\\r\\n\\r\\nAssistant: x'} | would be trained as text",
        "a marker in a prompt | {'prompt': 'hi\\n\\nHuman: x\\n\\nAssistant:', 'chosen': 'yes', 'rejected': 'no'} | does not begin with",
        "white space only     | {'prompt': 'hi', 'chosen': 'yes', 'rejected': '\\u00a0\\u2007'} | an answer is empty",
        "equal but for space  | {'prompt': 'hi', 'chosen': 'yes', 'rejected': 'yes\\u0085'} | are the same",
        "half a character     | {'prompt': 'hi\\ud83d', 'chosen': 'yes', 'rejected': 'no'} | lone surrogate",
        "system is no text    | {'prompt': 'hi', 'chosen': 'yes', 'rejected': 'no', 'system': ['x']} | 'system' is not text",
        "not an object        | [1] | not a JSON object",
        "a number             | {'prompt': 'hi', 'chosen': 1, 'rejected': 'no'} | 'chosen' is neither text nor a list of messages",
        "null                 | {'prompt': 'hi', 'chosen': 'yes', 'rejected': null} | 'rejected' is null, expected text",
        "two types            | {'prompt': 'hi', 'chosen': [], 'rejected': 'no'} | 'chosen' is a list and 'rejected' is text"})
    void leavesOutALineAndSaysWhy(String name, String record, String reason) throws IOException {
        PreferenceSet set = PreferenceReader.read(file("a.jsonl", record(DataFormat.TRL_TEXT) + "\n" + record + "\n"));
        assertThat(set.pairs()).as(name).hasSize(1);
        assertThat(set.report().sentences()).singleElement().asString().startsWith("1 pair left out: ").contains(reason)
            .endsWith("(line 2)");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "{'role': 'tool', 'content': 'x'}      | the role 'tool'",
        "{'role': 'a\\nb', 'content': 'x'}     | the role '...'",
        "{'role': 'user'}                      | is not {",
        "{'role': 'user', 'content': null}     | is not {",
        "{'role': 'user', 'content': [{'type': 'text', 'text': 'x'}]} | is not {",
        "{'role': 'user', 'content': ' '}      | a turn of the prompt is empty",
        "{'role': 'assistant', 'content': 'x'} | do not alternate",
        "{'role': 'user', 'content': 'a\\n\\nAssistant: b'} | would be trained as text"})
    void leavesOutAMessageAndSaysWhy(String message, String reason) throws IOException {
        PreferenceSet set = PreferenceReader.read(file("a.jsonl", record(DataFormat.TRL_MESSAGES) + "\n{'prompt': [" + message
            + "], 'chosen': [" + YES + "], 'rejected': [" + NO + "]}"));
        assertThat(set.report().sentences()).singleElement().asString().contains(reason);
    }

    @Test
    void aFileThatIsWrongInManyWaysDoesNotFillTheScreen() throws IOException {
        StringBuilder text = new StringBuilder(record(DataFormat.TRL_TEXT));
        for (int i = 0; i < 100; i++) {
            text.append("\n{'x").append(i).append("': 1}");
        }
        PreferenceSet set = PreferenceReader.read(file("a.jsonl", text.toString()));
        assertThat(set.report().sentences()).hasSize(33).last().asString().startsWith("68 pairs left out: other reasons");
    }

    @Test
    void readsSystemTurns() throws IOException {
        String system = "{'role': 'system', 'content': 's'}";
        for (String record : List.of("{'system': ' s', 'question': 'hi', 'chosen': 'yes', 'rejected': 'no'}",
            "{'prompt': [" + system + "," + USER + "], 'chosen': [" + YES + "], 'rejected': [" + NO + "]}",
            "{'system': 's', 'prompt': [" + system + "," + USER + "], 'chosen': [" + YES + "], 'rejected': [" + NO + "]}",
            "{'prompt': 'hi', 'chosen': [" + system + "," + USER + "," + YES + "], 'rejected': [" + system + "," + USER + "," + NO + "]}",
            "{'conversations': [{'from': 'system', 'value': 's'}, {'from': 'human', 'value': 'hi'}],"
                + " 'chosen': {'from': 'gpt', 'value': 'yes'}, 'rejected': {'from': 'gpt', 'value': 'no'}}")) {
            PreferenceSet set = PreferenceReader.read(file("a.jsonl", record));
            assertThat(set.pairs().getFirst().prompt()).as(record)
                .isEqualTo(List.of(new Message("system", "s"), new Message("user", "hi")));
        }
        refuses(file("a.jsonl", "{'prompt': [" + USER + "," + system + "], 'chosen': 'yes', 'rejected': 'no'}"), "not the first turn");
        refuses(file("a.jsonl", "{'system': 't', 'prompt': [" + system + "," + USER + "], 'chosen': 'yes', 'rejected': 'no'}"), "differ");
    }

    @Test
    void saysWhenTheAlignedAnswerIsUnsafe() throws IOException {
        String record = "{'prompt': 'hi', 'response_0': 'no', 'response_1': 'yes', 'is_response_0_safe': false, 'is_response_1_safe': %s,"
            + " 'safer_response_id': %s}\n";
        PreferenceSet set = PreferenceReader
            .read(file("a.jsonl", record.formatted("false", "1") + record.formatted("true", "0") + record.formatted("true", "2")));
        assertThat(set.pairs()).hasSize(1);
        assertThat(set.report().sentences()).containsExactly(
            "1 pair left out: 'safer_response_id' and 'is_response_N_safe' contradict each other (line 2)",
            "1 pair left out: 'safer_response_id' is neither 0 nor 1 (line 3)",
            "1 pair used, but " + PairReader.UNSAFE + " (line 1)");
    }

    @Test
    void whatNobodyReadsMayBeAnything() throws IOException {
        for (String value : List.of("NaN", "Infinity", "-Infinity", "null", "[[[]]]", "1e999999", "'x'",
            "[".repeat(900) + "]".repeat(900))) {
            Path file = file("a.jsonl", "{'prompt': 'hi', 'chosen': 'yes', 'rejected': 'no', 'score': " + value + "}\n");
            assertThat(PreferenceReader.read(file).pairs()).as(value).isEqualTo(expected(file, Origin.Unit.LINE, 1));
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "{'prompt':                                       | line 2 is not valid JSON: Unexpected end-of-input",
        "{'prompt': 'hi'                                  | line 2 is not valid JSON: Unexpected end-of-input",
        "{'prompt': 'hi', 'prompt': 'x'}                  | line 2 is not valid JSON: Duplicate field 'prompt'",
        "{'prompt': 'hi'} x                               | line 2 is not valid JSON",
        "{'prompt': 'hi'} {}                              | line 2 is not valid JSON: text follows the value",
        "{'prompt': .5}                                   | line 2 is not valid JSON",
        "{'prompt': nan}                                  | line 2 is not valid JSON"})
    void refusesABrokenLineWithoutTheParsersSettings(String line, String expected) throws IOException {
        refuses(file("a.jsonl", record(DataFormat.TRL_TEXT) + "\n" + line + "\n"), expected);
        String array = expected.replace("line 2 is not valid JSON", "is not valid JSON after entry 1");
        if (!line.contains("}")) {
            refuses(file("a.json", "[" + record(DataFormat.TRL_TEXT) + ",\n" + line), array.replaceFirst(": Unexp.*", ""), "line 2");
        }
    }

    @Test
    void refusesWhatIsNestedTooDeepOrEndsTooEarly() throws IOException {
        String deep = "{'prompt': " + "[".repeat(100_000) + "]".repeat(100_000) + "}";
        refuses(file("deep.jsonl", deep), "line 1 is not valid JSON", "nesting depth");
        refuses(file("deep.json", "[" + deep + "]"), "after entry 0", "nesting depth");
        refuses(file("digits.jsonl", "{'x': " + "9".repeat(10_000) + "}"), "line 1", "Number value length");
        refuses(file("open.json", "[" + record(DataFormat.TRL_TEXT)), "after entry 1");
        refuses(file("two.json", "[" + record(DataFormat.TRL_TEXT) + "] []"), "goes on behind its JSON array");
        refuses(file("none.json", "[]"), "no usable preference pair in 0 entries", "expected 'chosen' and 'rejected'");
        refuses(file("empty.json", ""), "is empty");
        refuses(file("pretty.json", "{\n 'prompt': 'hi'\n}"), "line 1 is not valid JSON", "one JSON object a line, or a JSON array");
        refuses(file("a.jsonl", "PK\u0003\u0004 x"), "a zip archive", "unpack it");
        refuses(file("a.jsonl", "BZh91AY x"), "packed by bzip2", "unpack it");
        refuses(file("a.jsonl", "ARROW1 x"), "an Arrow file", "Parquet");
        refuses(file("pointer.parquet", "version https://git-lfs.github.com/spec/v1\n"), "git lfs pull");
        refuses(file("columns.json", "[{'instruction': 'x', 'output': 'y'}]"), "in 1 entry: ",
            "lacks 'chosen', it has instruction, output (entry 1)", "'response_0'");
    }

    /** The first bytes tell the container, whatever the name says. */
    @ParameterizedTest
    @CsvSource({"lines.jsonl.gz, LINE", "array.json.gz, ENTRY", "lines.txt, LINE", "array.jsonl, ENTRY"})
    void readsGzipOfBothAndSaysWhereItIsCutOff(String name, Origin.Unit unit) throws IOException {
        String separator = unit == Origin.Unit.ENTRY ? "," : "\n";
        String records = String.join(separator, Collections.nCopies(5000, record(DataFormat.TRL_TEXT))).replace('\'', '"');
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (GZIPOutputStream out = new GZIPOutputStream(bytes)) {
            out.write(("\ufeff" + (unit == Origin.Unit.ENTRY ? "[" + records + "]" : records)).getBytes(StandardCharsets.UTF_8));
        }
        byte[] whole = bytes.toByteArray();
        Path file = Files.write(directory.resolve(name), whole);
        assertThat(PreferenceReader.read(file).pairs()).isEqualTo(expected(file, unit, 5000));
        refuses(Files.write(file, Arrays.copyOf(whole, whole.length - 9)), "is cut off", unit.word() + " ", "download it again");
        whole[whole.length - 6] ^= 1;
        refuses(Files.write(file, whole), "is damaged after", "download it again");
    }

    /** Written by pyarrow 25: lists of structs, dictionaries, nulls, in each compression. */
    @Test
    void readsParquet() throws IOException {
        List<String> names = List.of("ultrafeedback-snappy.parquet", "trl-zstd.parquet", "pku-gzip.parquet", "trl-lz4.parquet");
        for (String name : names) {
            try (var in = DataFormatsTest.class.getResourceAsStream(name)) {
                Files.copy(Objects.requireNonNull(in), directory.resolve(name));
            }
        }
        PreferenceSet ultrafeedback = PreferenceReader.read(directory.resolve(names.get(0)));
        assertThat(ultrafeedback.format()).isEqualTo(DataFormat.ULTRAFEEDBACK);
        assertThat(ultrafeedback.pairs()).hasSize(4);
        assertThat(ultrafeedback.pairs().getFirst()).isEqualTo(new PreferencePair(List.of(new Message("user", "How do I bake bread?")),
            "Mix flour, water, yeast and salt, then bake.", "No.", Origin.row(directory.resolve(names.get(0)), 1)));
        PreferenceSet trl = PreferenceReader.read(directory.resolve(names.get(1)));
        assertThat(trl.format()).isEqualTo(DataFormat.TRL_TEXT);
        assertThat(trl.pairs()).extracting(p -> p.prompt().getFirst().content()).containsExactly("How do I bake bread?", "Grüße 🙂?");
        assertThat(trl.report().sentences()).singleElement().asString().contains("'chosen' is null", "(row 2)");
        PreferenceSet pku = PreferenceReader.read(directory.resolve(names.get(2)));
        assertThat(pku.format()).isEqualTo(DataFormat.PKU_SAFER);
        assertThat(pku.pairs().getFirst().chosen()).isEqualTo("Call a locksmith.");
        refuses(directory.resolve(names.get(3)), "cannot be read as Parquet after row 0", "as jsonl");
        byte[] whole = Files.readAllBytes(directory.resolve(names.get(0)));
        for (int n = 4; n < whole.length; n += 401) {
            refuses(Files.write(directory.resolve("cut.parquet"), Arrays.copyOf(whole, n)), "cannot be read as Parquet",
                "download it again");
        }
    }

    @Test
    void aDamagedParquetFileIsOneSentence() throws IOException {
        Path file = directory.resolve("bent.parquet");
        byte[] whole;
        try (var in = DataFormatsTest.class.getResourceAsStream("trl-zstd.parquet")) {
            whole = Objects.requireNonNull(in).readAllBytes();
        }
        for (int i = 4; i < whole.length; i += 29) {
            byte[] bent = whole.clone();
            bent[i] ^= 0x55;
            Files.write(file, bent);
            try {
                PreferenceReader.read(file);
            } catch (InputException e) {
                assertThat(e.getMessage()).contains(file.toString());
            }
        }
    }

    /** The Parquet library's threads end over a page of this file, which a fuzzer found, and its reader would wait for ever. */
    @Test
    @Timeout(value = 20, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void aFileWhosePagesNeverComeIsRefused() throws IOException {
        Path file = directory.resolve("stalls.parquet");
        try (var in = DataFormatsTest.class.getResourceAsStream("stalls.parquet")) {
            Files.write(file, Objects.requireNonNull(in).readAllBytes());
        }
        assertThatThrownBy(() -> ParquetRows.forEach(file, _ -> true, (_, _) -> {}, Duration.ofMillis(500)))
            .isInstanceOf(InputException.class)
            .hasMessageContainingAll("stalls.parquet cannot be read as Parquet after row 0", "nothing came for 500 ms");
    }
}
