package io.sails4j.ffi;

import io.sails4j.InputException;
import io.sails4j.NativeException;
import io.sails4j.files.CacheDirectory;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * One backend library, {@code lib<name>.so}, opened once per process. It is looked for in the directory of the system property
 * {@code sails.library.dir}, then of the environment variable {@code SAILS_LIBRARY_DIR}, then among this program's resources; a directory
 * that is named and not there is an error.
 */
public final class NativeLibrary {
    /** What this program is written for, SAILS_ABI_VERSION of the header. */
    public static final int ABI_VERSION = 10;

    static final String RESOURCE_DIRECTORY = "/io/sails4j/native/linux-x86_64/";

    // Opened libraries stay for the life of the process (Arena.global()), so remembering them is not state that can go stale.
    private static final ConcurrentHashMap<Path, NativeLibrary> OPENED = new ConcurrentHashMap<>();

    private final Path path;
    private final SymbolLookup lookup;
    private final MethodHandle constructor;

    private NativeLibrary(Path path) {
        this(path, lookup(path));
    }

    NativeLibrary(Path path, SymbolLookup lookup) {
        this.path = path;
        this.lookup = lookup;
        this.constructor = Binding.constructor(this);
        checkVersion();
    }

    /**
     * Finds and opens a library.
     *
     * @param name {@code sails_cpu} and so on
     * @throws NativeException where it is nowhere (the message lists every place), cannot be loaded or has another ABI version
     */
    public static NativeLibrary open(String name) {
        List<String> tried = new ArrayList<>();
        Path path = locate(name, tried);
        if (path == null) {
            throw new NativeException(fileName(name), NativeException.UNSUPPORTED, "not found; tried " + String.join(", ", tried));
        }
        return OPENED.computeIfAbsent(path, NativeLibrary::new);
    }

    /** Whether {@link #open} would find the library's file. */
    public static boolean isPresent(String name) {
        return locate(name, new ArrayList<>()) != null;
    }

    static String fileName(String name) {
        return "lib" + name + ".so";
    }

    private static @Nullable Path locate(String name, List<String> tried) {
        String file = fileName(name);
        Path found = inDirectory(System.getProperty("sails.library.dir"), "system property sails.library.dir", file, tried);
        if (found == null) {
            found = inDirectory(System.getenv("SAILS_LIBRARY_DIR"), "environment SAILS_LIBRARY_DIR", file, tried);
        }
        return found != null ? found : bundled(file, tried);
    }

    static @Nullable Path inDirectory(@Nullable String directory, String source, String file, List<String> tried) {
        if (directory == null || directory.isBlank()) {
            tried.add(source + " (not set)");
            return null;
        }
        Path home = Path.of(directory);
        if (!Files.isDirectory(home)) {
            throw new InputException(
                source + " is '" + directory + "', which is no directory; expected one that holds the libraries, or none"
                    + " for those that come with this program");
        }
        Path path = home.resolve(file);
        if (!Files.isRegularFile(path)) {
            tried.add(path + " (" + source + ")");
            return null;
        }
        return canonical(path);
    }

    private static @Nullable Path bundled(String file, List<String> tried) {
        URL resource = NativeLibrary.class.getResource(RESOURCE_DIRECTORY + file);
        if (resource == null) {
            tried.add("resource " + RESOURCE_DIRECTORY + file);
            return null;
        }
        try {
            return resource.getProtocol().equals("file")
                ? canonical(Path.of(resource.toURI()))
                : new LibraryCache(CacheDirectory.forLibraries()).extract(file, resource);
        } catch (URISyntaxException e) {
            throw new IllegalStateException("resource " + resource + " is not a path", e);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot extract " + resource + ": " + e.getMessage()
                + "; point -Dsails.library.dir at a directory that holds the libraries", e);
        }
    }

    private static Path canonical(Path path) {
        try {
            return path.toRealPath();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + path + ": " + e.getMessage(), e);
        }
    }

    private static SymbolLookup lookup(Path path) {
        try {
            OpenMpWaiting.limitSpinning();
            return SymbolLookup.libraryLookup(path, Arena.global());
        } catch (IllegalArgumentException e) {
            throw new NativeException(path.getFileName().toString(), NativeException.FAILED, path
                + " is there but the loader refuses it; a library that it needs is missing or it was built for another machine"
                + " (ldd " + path + " tells)", e);
        }
    }

    private void checkVersion() {
        int version = NativeDevice.version(this);
        if (version != ABI_VERSION) {
            throw new NativeException("sails_abi_version", NativeException.UNSUPPORTED, path + " has ABI version " + version
                + ", this program needs " + ABI_VERSION + "; rebuild the library");
        }
    }

    /** The library's file. */
    public Path path() {
        return path;
    }

    /** A function's address, where the library exports it. */
    Optional<MemorySegment> find(String function) {
        return lookup.find(function);
    }

    /** A device that is not open yet. */
    NativeDevice newDevice() {
        try {
            return (NativeDevice) constructor.invokeExact(this);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException("a device of " + path + " cannot be made", e);
        }
    }
}
