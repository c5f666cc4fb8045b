package io.sails4j.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Outputs at places that hold something else than a file or an empty directory. */
class AtomicFilesTest {
    @TempDir
    private Path directory;

    /** A rename would put a file in a device's place, for everybody on the machine. */
    @Test
    void whatIsNoFileIsNotReplacedByOne() throws Exception {
        Path pipe = directory.resolve("pipe");
        assertThat(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor()).isZero();
        Path link = Files.createSymbolicLink(directory.resolve("link"), pipe);
        for (Path target : new Path[] {pipe, link}) {
            assertThatThrownBy(() -> AtomicFiles.writeString(target, "x")).isInstanceOf(InputException.class)
                .hasMessageContaining(target + " is a FIFO");
            assertThatThrownBy(() -> AtomicFiles.requireWritableFile(target)).isInstanceOf(InputException.class)
                .hasMessageContaining(target + " is a FIFO");
        }
        assertThat(Files.isRegularFile(pipe)).isFalse();
    }

    @Test
    void aLinkStaysALink() throws IOException {
        Path elsewhere = Files.createDirectory(directory.resolve("elsewhere"));
        Path link = Files.createSymbolicLink(directory.resolve("link"), Path.of("elsewhere/file"));
        for (String text : new String[] {"first", "second"}) {
            AtomicFiles.requireWritableFile(link);
            AtomicFiles.writeString(link, text);
            assertThat(Files.isSymbolicLink(link)).isTrue();
            assertThat(elsewhere.resolve("file")).content().isEqualTo(text);
        }
    }

    @Test
    void aLinkIsNoNewDirectory() throws IOException {
        Path empty = Files.createDirectory(directory.resolve("empty"));
        Path link = Files.createSymbolicLink(directory.resolve("link"), empty);
        assertThatThrownBy(() -> AtomicFiles.requireFresh(link)).isInstanceOf(InputException.class)
            .hasMessageContaining("is a symbolic link; name the directory that it leads to");
        assertThat(Files.exists(link, LinkOption.NOFOLLOW_LINKS)).isTrue();
    }
}
