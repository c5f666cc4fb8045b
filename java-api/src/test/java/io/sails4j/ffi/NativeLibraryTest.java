package io.sails4j.ffi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.InputException;
import io.sails4j.NativeException;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.SymbolLookup;
import java.net.URI;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Finding, loading and unpacking the libraries. */
class NativeLibraryTest {
    @TempDir
    private Path directory;

    @Test
    void aLibraryIsOpenedOnce() {
        NativeLibrary library = NativeLibrary.open("sails_cpu");
        assertThat(library.path()).isRegularFile();
        assertThat(NativeLibrary.open("sails_cpu")).isSameAs(library);
    }

    @Test
    void aMissingLibraryNamesEveryPlace() {
        assertThat(NativeLibrary.isPresent("sails_abacus")).isFalse();
        assertThatThrownBy(() -> NativeLibrary.open("sails_abacus")).isInstanceOf(NativeException.class)
            .hasMessageContaining("libsails_abacus.so").hasMessageContaining("sails.library.dir").hasMessageContaining("SAILS_LIBRARY_DIR")
            .hasMessageContaining("/io/sails4j/native/linux-x86_64/libsails_abacus.so");
    }

    /** Not passed over: whoever names one means it. */
    @Test
    void aDirectoryThatIsNotThereIsAnError() {
        String missing = directory.resolve("missing").toString();
        assertThatThrownBy(() -> NativeLibrary.inDirectory(missing, "environment SAILS_LIBRARY_DIR", "libsails_cpu.so", new ArrayList<>()))
            .isInstanceOf(InputException.class).hasMessageContaining("environment SAILS_LIBRARY_DIR is '" + missing + "'");
        List<String> tried = new ArrayList<>();
        assertThat(NativeLibrary.inDirectory(directory.toString(), "environment SAILS_LIBRARY_DIR", "libsails_cpu.so", tried)).isNull();
        assertThat(tried).singleElement().asString().contains(directory.toString());
    }

    @Test
    void aMissingSymbolIsNamedWhenItIsCalled() {
        NativeLibrary whole = NativeLibrary.open("sails_cpu");
        SymbolLookup part = name -> name.equals("sails_adamw_rates") || name.equals("sails_synchronize") ? Optional.empty()
            : whole.find(name);
        NativeDevice device = NativeDevice.open(new NativeLibrary(Path.of("/somewhere/libsails_cpu.so"), part), 0, 1, "");
        assertThatThrownBy(device::synchronize).isInstanceOfSatisfying(NativeException.class, e -> {
            assertThat(e.function()).isEqualTo("sails_synchronize");
            assertThat(e.code()).isEqualTo(NativeException.UNSUPPORTED);
            assertThat(e.text())
                .isEqualTo("/somewhere/libsails_cpu.so does not export it; the library is older than this program or incomplete: "
                    + "rebuild it");
        });
        assertThatThrownBy(() -> device.adamwRates(0, 1, 1, 1, 1, 1, 1, 1)).isInstanceOf(NativeException.class)
            .hasMessageContaining("sails_adamw_rates").hasMessageContaining("/somewhere/libsails_cpu.so");
        device.fillZero(0, 0);
        device.close();
    }

    private Map<String, URL> jar(String... namesAndContents) throws IOException {
        Path jar = directory.resolve("libraries.jar");
        Map<String, URL> contents = new LinkedHashMap<>();
        try (OutputStream out = Files.newOutputStream(jar); JarOutputStream entries = new JarOutputStream(out)) {
            for (int i = 0; i < namesAndContents.length; i += 2) {
                entries.putNextEntry(new ZipEntry(namesAndContents[i]));
                entries.write(namesAndContents[i + 1].getBytes(StandardCharsets.UTF_8));
                contents.put(namesAndContents[i], URI.create("jar:" + jar.toUri() + "!/" + namesAndContents[i]).toURL());
            }
        }
        return contents;
    }

    @Test
    void librariesInAJarAreUnpackedTogetherAndReused() throws IOException {
        LibraryCache cache = new LibraryCache(directory.resolve("cache"));
        Map<String, URL> contents = jar("libx.so", "the library", "libdnnl.so.3", "what it needs");
        Path unpacked = cache.extract("libx.so", contents);
        assertThat(unpacked).hasContent("the library");
        assertThat(unpacked.resolveSibling("libdnnl.so.3")).hasContent("what it needs");
        Object before = Files.getLastModifiedTime(unpacked);
        assertThat(cache.extract("libx.so", contents)).isEqualTo(unpacked);
        assertThat(Files.getLastModifiedTime(unpacked)).isEqualTo(before);
        assertThat(entries()).containsExactly(unpacked.getParent().getFileName().toString());
    }

    @Test
    void anIncompleteDirectoryIsReplaced() throws IOException {
        LibraryCache cache = new LibraryCache(directory.resolve("cache"));
        Map<String, URL> contents = jar("libx.so", "the library", "libdnnl.so.3", "what it needs");
        Path unpacked = cache.extract("libx.so", contents);
        Files.delete(unpacked.resolveSibling("libdnnl.so.3"));
        Files.writeString(unpacked, "half");
        assertThat(cache.extract("libx.so", contents)).hasContent("the library");
        assertThat(unpacked.resolveSibling("libdnnl.so.3")).hasContent("what it needs");
        assertThat(entries()).hasSize(1);
    }

    @Test
    void anotherLibraryGetsAnotherDirectory() throws IOException {
        LibraryCache cache = new LibraryCache(directory.resolve("cache"));
        Path first = cache.extract("libx.so", jar("libx.so", "one"));
        Path second = cache.extract("libx.so", jar("libx.so", "two"));
        assertThat(first).hasContent("one");
        assertThat(second).hasContent("two");
    }

    private String[] entries() throws IOException {
        try (Stream<Path> files = Files.list(directory.resolve("cache"))) {
            return files.map(path -> path.getFileName().toString()).toArray(String[]::new);
        }
    }
}
