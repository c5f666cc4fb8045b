package io.sails4j.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CacheDirectoryTest {
    @TempDir
    private Path temporary;

    private Path choose(@Nullable String xdg, @Nullable String home, String... mounts) throws IOException {
        Path tmp = Files.createDirectories(temporary.resolve("tmp"));
        return CacheDirectory.forLibraries(name -> name.equals("XDG_CACHE_HOME") ? xdg : null, home, tmp, "me", List.of(mounts));
    }

    private String mount(Path where, String options) {
        return "36 35 98:0 / " + where.toString().replace(" ", "\\040") + " " + options + " shared:1 - ext4 /dev/root rw";
    }

    @Test
    void theUsualPlacesComeFirst() throws IOException {
        Path home = Files.createDirectories(temporary.resolve("home"));
        Path xdg = temporary.resolve("xdg");
        assertThat(choose(null, home.toString())).isEqualTo(home.resolve(".cache/sails4j"));
        assertThat(choose(xdg.toString(), home.toString())).isEqualTo(xdg.resolve("sails4j"));
        assertThat(choose(" ", home.toString())).isEqualTo(home.resolve(".cache/sails4j"));
    }

    @Test
    void withoutAHomeThatCanBeUsedATemporaryDirectoryOfTheUserIsTaken() throws IOException {
        Path mine = temporary.resolve("tmp/sails4j-me");
        Path file = Files.writeString(temporary.resolve("file"), "");
        for (String home : new String[] {null, "?", "", file.toString(), "/proc/none"}) {
            assertThat(choose(null, home)).as(String.valueOf(home)).isEqualTo(mine);
        }
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(mine))).isEqualTo("rwx------");
    }

    @Test
    void aHomeMountedNoexecIsLeftOut() throws IOException {
        Path home = Files.createDirectories(temporary.resolve("my home")).toRealPath();
        String[] mounts = {mount(Path.of("/"), "rw,relatime"), mount(home, "rw,nosuid,noexec")};
        assertThat(choose(null, home.toString(), mounts)).isEqualTo(temporary.resolve("tmp/sails4j-me"));
        assertThat(choose(null, home.toString(), mount(home, "rw,noexec"), mount(home, "rw"))).isEqualTo(home.resolve(".cache/sails4j"));
    }

    @Test
    void aTemporaryDirectoryThatOthersMayWriteIsRefused() throws IOException {
        Path mine = Files.createDirectories(temporary.resolve("tmp/sails4j-me"));
        Files.setPosixFilePermissions(mine, PosixFilePermissions.fromString("rwxrwxrwx"));
        assertThatThrownBy(() -> choose(null, null)).isInstanceOf(IOException.class).hasMessageContaining("belongs to others too")
            .hasMessageContaining("XDG_CACHE_HOME");
    }
}
