package io.sails4j.files;

import static org.assertj.core.api.Assertions.assertThat;

import io.sails4j.InputException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.assertj.core.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What lies where a file should be is told by its name and its first bytes, in one sentence with what to run. */
class ForeignFileTest {
    @TempDir
    private Path directory;

    private String refusal(String name, String content) throws IOException {
        return refusal(name, content.getBytes(StandardCharsets.UTF_8));
    }

    private String refusal(String name, byte[] content) throws IOException {
        Path file = Files.write(directory.resolve(name), content);
        String sentence = ForeignFile.sentence(file).orElse("");
        assertThat(sentence).startsWith(file.toString()).doesNotContain("\n");
        return sentence;
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', value = {
        "version https://git-lfs.github.com/spec/v1\\noid sha256:00\\nsize 4976698672\\n | pointer and not the file of 4976698672 bytes",
        "version https://git-lfs.github.com/spec/v1\\n | run `git lfs pull`",
        "<!DOCTYPE html><html><head><title>\\n Access\\n denied </title> | web page (HTML) with the title 'Access denied'",
        "\\ufeff <HTML> | web page",
        "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code></Error> | NoSuchKey",
        "Entry not found | server's answer and not the file: 'Entry not found'",
        "Access to model meta-llama/x is restricted and you are not in the list.\\nVisit … | 'Access to model",
        "{\"error\":\"Invalid username or password.\"} | 'Invalid username or password.'",
        "{\"error\":{\"message\":\"rate limited\",\"code\":429}} | rate limited",
        "{\"statusCode\":500,\"message\":\"Internal\"} | 'Internal'",
        "GGUF\\u0003 | GGUF file"})
    void kinds(String content, String part) throws IOException {
        assertThat(refusal("model.safetensors", unescaped(content))).contains(part);
    }

    private static String unescaped(String text) {
        return text.replace("\\n", "\n").replace("\\ufeff", "\ufeff").replace("\\u0003", "\u0003");
    }

    @Test
    void emptyUnfinishedPickledAndWide() throws IOException {
        assertThat(refusal("a.json", "")).contains("is empty", "0 bytes", "sails download");
        assertThat(refusal("b.safetensors.incomplete", "xyz")).contains("has not ended", "3 bytes so far");
        assertThat(refusal("c.safetensors", new byte[] {(byte) 0x80, 2, '}'})).contains("pickle", "refused");
        assertThat(refusal("d.safetensors", "PK\u0003\u0004............archive/data.pkl")).contains("pickle");
        assertThat(refusal("e.json", "{}".getBytes(StandardCharsets.UTF_16))).contains("UTF-16");
    }

    @Test
    void whatIsReadHereIsNotForeign() throws IOException {
        for (String content : new String[] {"{\"model_type\": \"llama\", \"error\": \"x\"}", "{}", "[1]", "{\"prompt\": \"a\"}", "hello"}) {
            assertThat(ForeignFile.sentence(Files.writeString(directory.resolve("f"), content))).as(content).isEmpty();
        }
        assertThat(ForeignFile.sentence(directory.resolve("absent"))).isEmpty();
        assertThat(ForeignFile.sentence(directory)).isEmpty();
    }

    @Test
    void jsonPastAByteOrderMarkAndServersErrors() throws IOException {
        Path file = Files.writeString(directory.resolve("x.json"), "\ufeff{\"a\": 1}");
        assertThat(JsonFiles.readObject(file).requiredLong("a")).isEqualTo(1);
        Files.writeString(file, "\ufeff\ufeff{\"a\": 1}");
        Assertions.assertThatThrownBy(() -> JsonFiles.read(file)).isInstanceOf(InputException.class);
        Files.writeString(file, "{\"error\": \"Entry not found\"}");
        Assertions.assertThatThrownBy(() -> JsonFiles.read(file)).isInstanceOf(InputException.class)
            .hasMessageContaining("server's answer in JSON");
        Files.writeString(file, "[".repeat(2000));
        Assertions.assertThatThrownBy(() -> JsonFiles.read(file)).isInstanceOf(InputException.class).hasMessageContaining("depth");
    }

    @Test
    @Timeout(value = 20, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void nothingBlocksOnAFifo() throws Exception {
        Path fifo = directory.resolve("pipe.json");
        assertThat(new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor()).isZero();
        Assertions.assertThatThrownBy(() -> JsonFiles.read(fifo)).isInstanceOf(InputException.class).hasMessageContaining("is a FIFO");
        Assertions.assertThatThrownBy(() -> JsonFiles.read(Path.of("/dev/zero"))).isInstanceOf(InputException.class)
            .hasMessageContaining("character device");
        Assertions.assertThatThrownBy(() -> JsonFiles.read(directory)).isInstanceOf(InputException.class)
            .hasMessageContaining("is a directory");
    }

    @Test
    void missingFilesSayWhy() throws IOException {
        Path file = directory.resolve("w.safetensors");
        assertThat(ForeignFile.missing(file, null)).hasMessage(file + " does not exist");
        Files.writeString(directory.resolve("w.safetensors.incomplete"), "x");
        assertThat(ForeignFile.missing(file, null)).hasMessageContaining("its download has not ended");
        Files.createSymbolicLink(file, Path.of("../blobs/gone"));
        assertThat(ForeignFile.missing(file, null)).hasMessageContaining("link to ../blobs/gone, which does not exist");
    }

    @Test
    void pathsThatTheSystemCannotFollow() throws IOException {
        Path loop = directory.resolve("loop");
        Files.createSymbolicLink(loop, loop.getFileName());
        Assertions.assertThatThrownBy(() -> ForeignFile.requireRegular(loop)).isInstanceOf(InputException.class)
            .hasMessageContaining("too many levels of symbolic links");
        Assertions.assertThatThrownBy(() -> ForeignFile.requireRegular(directory.resolve("a".repeat(300))))
            .isInstanceOf(InputException.class).hasMessageContaining("file name too long");
    }
}
