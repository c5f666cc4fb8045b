package io.sails4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.InputException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The same rows from every kind of file, and files that are none. */
class RowFileTest {
    private static final String CSV = "id,prompt,label\n1,\"a, \"\"b\"\"\r\nc\",safe\n2,é,\n";

    @TempDir
    private Path directory;

    private Path file(String name, String text) throws IOException {
        return Files.writeString(directory.resolve(name), text);
    }

    private static void requireTheRows(RowFile rows, String kind) {
        assertThat(rows.kind()).isEqualTo(kind);
        assertThat(rows.columns()).containsExactly("id", "prompt", "label");
        assertThat(rows.rows().stream().map(RowFile.Row::values)).containsExactly(List.of("1", "a, \"b\"\r\nc", "safe"),
            List.of("2", "é", ""));
        assertThat(rows.rows().stream().map(RowFile.Row::index)).containsExactly(0L, 1L);
        assertThat(rows.column("prompt")).containsExactly("a, \"b\"\r\nc", "é");
    }

    @Test
    void everyKindGivesTheSameRows() throws IOException {
        String table = "a table in text with a header";
        RowFile csv = RowFile.read(file("a.csv", CSV));
        requireTheRows(csv, table);
        assertThat(csv.rows().stream().map(row -> row.origin().number())).containsExactly(2L, 4L);
        RowFile marked = RowFile.read(file("mark.csv", "\ufeff" + CSV.replace("\n2", "\n\n2")));
        requireTheRows(marked, table);
        assertThat(marked.rows().getLast().origin().number()).isEqualTo(5);
        requireTheRows(RowFile.read(file("a.tsv", "id\tprompt\tlabel\n1\t\"a, \"\"b\"\"\r\nc\"\tsafe\n2\té\t\n")), table);
        requireTheRows(RowFile.read(file("semi.csv", "id;prompt;label\n1;\"a, \"\"b\"\"\r\nc\";safe\n2;é;")), table);
        String first = "{\"id\":1,\"prompt\":\"a, \\\"b\\\"\\r\\nc\",\"label\":\"safe\"}";
        requireTheRows(RowFile.read(file("a.jsonl", first + "\n\n{\"prompt\":\"é\",\"id\":\"2\",\"label\":null}")), "JSON lines");
        requireTheRows(RowFile.read(file("a.json", "[" + first + ", {\"prompt\":\"é\",\"id\":2}]")), "a JSON array");
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(bytes)) {
            gzip.write(CSV.getBytes(StandardCharsets.UTF_8));
        }
        Path packed = Files.write(directory.resolve("a.csv.gz"), bytes.toByteArray());
        requireTheRows(RowFile.read(packed), table + " in gzip");
        Files.write(packed, Arrays.copyOf(bytes.toByteArray(), bytes.size() + 700));
        requireTheRows(RowFile.read(packed), table + " in gzip");
        Files.write(packed, "id".getBytes(StandardCharsets.UTF_8), StandardOpenOption.APPEND);
        assertThatThrownBy(() -> RowFile.read(packed)).isInstanceOf(InputException.class)
            .hasMessageContaining("702 bytes behind its gzip data");
        Files.write(packed, Arrays.copyOf(bytes.toByteArray(), bytes.size() - 12));
        assertThatThrownBy(() -> RowFile.read(packed)).isInstanceOf(InputException.class).hasMessageContaining("cut off");
    }

    @Test
    void nestedValuesAreTheirJson() throws IOException {
        RowFile rows = RowFile.read(file("a.jsonl", "{\"a\":{\"b\":[1,2.5]},\"c\":true}\n{\"d\":\"x\"}"));
        assertThat(rows.columns()).containsExactly("a", "c", "d");
        assertThat(rows.rows().getFirst().values()).containsExactly("{\"b\":[1,2.5]}", "true", "");
        assertThat(rows.rows().getLast().values()).containsExactly("", "", "x");
    }

    @Test
    void parquetGivesAllColumns() throws Exception {
        RowFile rows = RowFile.read(Path.of(RowFileTest.class.getResource("trl-zstd.parquet").toURI()));
        assertThat(rows.kind()).isEqualTo("Parquet");
        assertThat(rows.columns()).containsExactly("prompt", "chosen", "rejected");
        assertThat(rows.rows()).isNotEmpty();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
        a.csv   | a,b~1,2,3~                 | line 2 has 3 cells and the header 2
        a.csv   | a,b~1,2~3~                 | line 3 has 1 cell and the header 2
        a.csv   | a,a~1,2                    | two columns 'a'
        a.csv   | a,b~1,"x~                  | is not a table that can be read in the row of line 2
        a.csv   | a,b~1,"x" y~               | is not a table that can be read in the row of line 2
        a.csv   | ~                          | is empty, expected a header and rows
        a.csv   | <!DOCTYPE html><html></html> | web page
        a.csv   | version https://git-lfs.github.com/spec/v1~oid sha256:1234~size 12~ | Git LFS
        a.jsonl | {"a":1}~[1]                | line 2 of
        a.jsonl | {"a":1}~{"a":              | line 2 is not valid JSON
        a.jsonl | a,b                        | line 1 is not valid JSON
        a.json  | [{"a":1},3]                | entry 2 of
        a.gz    | a,b                        | is not a gzip file
        """)
    void badFilesAreOneSentence(String name, String text, String part) throws IOException {
        Path path = file(name, text.replace('~', '\n'));
        assertThatThrownBy(() -> RowFile.read(path)).isInstanceOf(InputException.class).hasMessageContaining(part)
            .hasMessageContaining(path.toString());
    }

    @Test
    void columnsThatAreNotThereAreNamedWithThoseThatAre() throws IOException {
        RowFile rows = RowFile.read(file("a.csv", CSV));
        assertThatThrownBy(() -> rows.column("text")).isInstanceOf(InputException.class)
            .hasMessageContaining("has no column 'text', it has 'id', 'prompt', 'label'");
        Path latin = Files.write(directory.resolve("latin.csv"), "a,b\n1,\u00e9".getBytes(StandardCharsets.ISO_8859_1));
        assertThatThrownBy(() -> RowFile.read(latin)).isInstanceOf(InputException.class).hasMessageContaining("is not valid UTF-8");
        assertThatThrownBy(() -> RowFile.read(directory.resolve("none.csv"))).isInstanceOf(InputException.class)
            .hasMessageContaining("does not exist");
    }

    /** A list or a number is no text that anybody wrote: where a text is meant, its JSON would be taken for one. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', textBlock = """
        ["a"]          | ["a"]
        {"role":"u"}   | {"role":"u"}
        5              | 5
        1e400          | Infinity
        true           | true""")
    void whatIsNoTextIsRefusedWhereATextIsMeant(String json, String shown) throws IOException {
        RowFile rows = RowFile.read(file("a.jsonl", "{\"id\":1,\"prompt\":\"x\"}\n{\"id\":2,\"prompt\":" + json + "}\n"));
        assertThat(rows.column("prompt")).hasSize(2);
        assertThat(rows.column("id")).containsExactly("1", "2");
        assertThatThrownBy(() -> rows.texts("prompt")).isInstanceOf(InputException.class).hasMessageStartingWith("line 2 of ")
            .hasMessageEndingWith(" has " + shown + " in 'prompt', expected a text");
        assertThat(RowFile.read(file("b.jsonl", "{\"prompt\":null}\n{}")).texts("prompt")).containsExactly("", "");
    }

    /** 70 MiB of one byte in 70 kB: it is refused where it passes the limits, and not when it is all in memory. */
    @Test
    void aFileThatUnpacksToHundredsOfTimesItsSizeIsRefused() throws IOException {
        Path bomb = directory.resolve("bomb.csv.gz");
        byte[] piece = new byte[1 << 20];
        Arrays.fill(piece, (byte) '\n');
        try (GZIPOutputStream gzip = new GZIPOutputStream(Files.newOutputStream(bomb))) {
            gzip.write("prompt\n".getBytes(StandardCharsets.UTF_8));
            for (int i = 0; i < 70; i++) {
                gzip.write(piece);
            }
        }
        assertThatThrownBy(() -> {
            try (InputStream in = BoundedGzip.open(bomb, Files.newInputStream(bomb), 1 << 16)) {
                in.transferTo(OutputStream.nullOutputStream());
            }
        }).isInstanceOf(InputException.class).hasMessageContaining("unpacks to more than 200 times its size after 64 MiB");
    }

    @Test
    void halvesOfCharacters() {
        assertThat(Surrogates.firstLone("a\ud83d\ude42b")).isNegative();
        assertThat(Surrogates.firstLone("a\ud83d\ude42\ud83d")).isEqualTo(3);
        assertThat(Surrogates.firstLone("\ude42\ud83d")).isZero();
        assertThat(Surrogates.firstLone("")).isNegative();
    }

    @Test
    void whatIsNotThereIsNoText() throws IOException {
        RowFile file = RowFile.read(file("gaps.jsonl", "{\"a\":\"\"}\n{\"a\":null}\n{\"b\":\"x\"}\n"));
        assertThat(file.texts("a")).containsExactly("", "", "");
        assertThatThrownBy(() -> file.requiredTexts("a")).isInstanceOf(InputException.class)
            .hasMessageContaining("line 2 of").hasMessageContaining("has nothing in 'a'");
        assertThat(RowFile.read(file("whole.csv", "a,b\n,x\n")).requiredTexts("a")).containsExactly("");
        assertThatThrownBy(() -> RowFile.read(file("none.jsonl", "\n"))).isInstanceOf(InputException.class)
            .hasMessageContaining("is empty");
    }
}
