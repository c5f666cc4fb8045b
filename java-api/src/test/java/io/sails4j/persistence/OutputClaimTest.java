package io.sails4j.persistence;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.InputException;
import io.sails4j.files.AtomicFiles;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OutputClaimTest {
    @TempDir
    private Path temporary;

    private List<String> left() throws IOException {
        try (var files = Files.list(temporary)) {
            return files.map(f -> f.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void oneRunHasAnOutputAtATime() throws IOException {
        Path out = temporary.resolve("out");
        try (OutputClaim _ = OutputClaim.of(out)) {
            assertThatThrownBy(() -> OutputClaim.of(temporary.resolve("x/../out"))).isInstanceOf(InputException.class)
                .hasMessageContaining("is written by another run (process " + ProcessHandle.current().pid() + " on ");
            OutputClaim.of(temporary.resolve("other")).close();
        }
        assertThat(left()).isEmpty();
        OutputClaim.of(out).close();
    }

    @Test
    void whatARunKeepsStays() throws IOException {
        Path out = temporary.resolve("out");
        try (OutputClaim _ = OutputClaim.of(out)) {
            Files.writeString(OutputClaim.partialOf(out).resolve("metrics.jsonl"), "{}");
        }
        assertThat(left()).containsExactly("out.partial");
        assertThat(Files.exists(temporary.resolve("out.partial/lock"))).isFalse();
        try (OutputClaim _ = OutputClaim.of(out)) {
            AtomicFiles.deleteTree(OutputClaim.partialOf(out));
        }
        assertThat(left()).isEmpty();
    }

    @Test
    void theClaimOfARunThatIsGoneIsTakenOver() throws IOException {
        Path out = temporary.resolve("out");
        Path lock = Files.createDirectories(temporary.resolve("out.partial")).resolve("lock");
        Files.writeString(lock, "process 999999999 on " + InetAddress.getLocalHost().getHostName() + ", since 2026-01-01T00:00:00Z");
        try (OutputClaim _ = OutputClaim.of(out)) {
            assertThat(lock).content().startsWith("process " + ProcessHandle.current().pid() + " on ");
        }
        Files.writeString(Files.createDirectories(lock.getParent()).resolve("lock"), "process 1 on elsewhere, since 2026-01-01T00:00:00Z");
        assertThatThrownBy(() -> OutputClaim.of(out)).isInstanceOf(InputException.class).hasMessageContaining("another host")
            .hasMessageContaining("remove " + lock);
    }

    @Test
    void placesThatCannotBeWrittenAreRefusedAtOnce() throws IOException {
        for (String out : List.of(".", "/", "..", "", "/proc/none/out", "/proc/self", "/dev/null")) {
            assertThatThrownBy(() -> OutputClaim.of(Path.of(out))).as(out).isInstanceOf(InputException.class);
        }
        Path file = Files.writeString(temporary.resolve("file"), "kept");
        assertThatThrownBy(() -> OutputClaim.of(file)).isInstanceOf(InputException.class).hasMessageContaining("exists already");
        assertThatThrownBy(() -> OutputClaim.of(file.resolve("out"))).isInstanceOf(InputException.class)
            .hasMessageContaining("cannot be written");
        Path link = Files.createSymbolicLink(temporary.resolve("link"), temporary.resolve("nowhere"));
        assertThatThrownBy(() -> OutputClaim.of(link)).isInstanceOf(InputException.class).hasMessageContaining("symbolic link");
        Path full = Files.createDirectories(temporary.resolve("full/inside")).getParent();
        assertThatThrownBy(() -> OutputClaim.of(full)).isInstanceOf(InputException.class).hasMessageContaining("exists already");
        assertThat(left()).containsExactly("file", "full", "link");
    }

    @Test
    void anEmptyDirectoryIsReplacedAndMissingParentsAreNotLeftBehind() throws IOException {
        Path empty = Files.createDirectory(temporary.resolve("empty"));
        OutputClaim.of(empty).close();
        assertThat(empty).isEmptyDirectory();
        AtomicFiles.requireFresh(temporary.resolve("a/b/c"));
        assertThat(left()).containsExactly("empty");
        AtomicFiles.requireWritableFile(temporary.resolve("a/file"));
        assertThat(left()).containsExactly("empty");
        assertThatThrownBy(() -> AtomicFiles.requireWritableFile(empty)).isInstanceOf(InputException.class)
            .hasMessageContaining("is a directory");
        assertThatThrownBy(() -> AtomicFiles.requireWritableFile(Path.of("/proc/none"))).isInstanceOf(InputException.class)
            .hasMessageContaining("cannot be written");
    }
}
