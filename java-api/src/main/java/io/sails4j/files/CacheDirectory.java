package io.sails4j.files;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * A directory for native libraries that are copied out of jars: one that can be written and from which the system lets libraries be loaded.
 * {@code $XDG_CACHE_HOME/sails4j}, else {@code ~/.cache/sails4j}, else {@code sails4j-USER} in the temporary directory.
 */
public final class CacheDirectory {
    private static final System.Logger LOG = System.getLogger("io.sails4j.files");
    private static final Path MOUNTS = Path.of("/proc/self/mountinfo");

    private CacheDirectory() {
    }

    /** The first of the places that can be used; where that is not the usual one, the logger says why. */
    public static Path forLibraries() throws IOException {
        return forLibraries(name -> System.getenv(name), System.getProperty("user.home"), Path.of(System.getProperty("java.io.tmpdir")),
            System.getProperty("user.name"), mounts());
    }

    static Path forLibraries(UnaryOperator<@Nullable String> environment, @Nullable String home, Path temporary, @Nullable String user,
        List<String> mounts) throws IOException {
        List<String> refused = new ArrayList<>();
        String xdg = environment.apply("XDG_CACHE_HOME");
        // A JVM without a home directory calls it "?".
        List<Path> usual = new ArrayList<>();
        if (xdg != null && !xdg.isBlank()) {
            usual.add(Path.of(xdg, "sails4j"));
        }
        if (home != null && !home.isBlank() && !home.equals("?")) {
            usual.add(Path.of(home, ".cache", "sails4j"));
        }
        for (Path place : usual) {
            String reason = unusable(place, mounts);
            if (reason == null) {
                return place;
            }
            refused.add(place + " " + reason);
        }
        Path last = temporary.resolve("sails4j-" + (user == null || user.equals("?") ? "user" : user.replace('/', '_')));
        String reason = privately(last, mounts);
        if (reason != null) {
            refused.add(last + " " + reason);
            throw new IOException("no directory for native libraries: " + String.join(", ", refused)
                + "; set XDG_CACHE_HOME to a directory that you can write and that is not mounted noexec");
        }
        if (!refused.isEmpty()) {
            LOG.log(System.Logger.Level.INFO, "native libraries are kept in " + last + ": " + String.join(", ", refused));
        }
        return last;
    }

    /** Why nothing can be loaded from there, null where it can. */
    private static @Nullable String unusable(Path directory, List<String> mounts) {
        try {
            Files.createDirectories(directory);
            Files.delete(Files.createTempFile(directory, "probe-", ""));
            return isNoexec(directory.toRealPath(), mounts) ? "is mounted noexec" : null;
        } catch (IOException e) {
            return "cannot be written";
        }
    }

    /** The same for a place that others can write to: what is there must be this user's alone, since code is loaded from it. */
    private static @Nullable String privately(Path directory, List<String> mounts) throws IOException {
        Set<PosixFilePermission> mine = PosixFilePermissions.fromString("rwx------");
        if (Files.notExists(directory, LinkOption.NOFOLLOW_LINKS)) {
            try {
                Files.createDirectory(directory, PosixFilePermissions.asFileAttribute(mine));
            } catch (IOException e) {
                return "cannot be written";
            }
        }
        if (!Files.isDirectory(directory, LinkOption.NOFOLLOW_LINKS)) {
            return "is no directory";
        }
        Path probe;
        try {
            probe = Files.createTempFile(directory, "probe-", "");
        } catch (IOException e) {
            return "cannot be written";
        }
        boolean owned = Files.getOwner(probe).equals(Files.getOwner(directory));
        Files.delete(probe);
        Set<PosixFilePermission> others = EnumSet.copyOf(Files.getPosixFilePermissions(directory));
        others.retainAll(Set.of(PosixFilePermission.GROUP_WRITE, PosixFilePermission.OTHERS_WRITE));
        return owned && others.isEmpty() ? unusable(directory, mounts) : "belongs to others too";
    }

    private static List<String> mounts() {
        try {
            return Files.readAllLines(MOUNTS);
        } catch (IOException e) {
            // Without /proc the loader itself will say what is wrong.
            return List.of();
        }
    }

    /** By the mount that is nearest above; the last one where several lie over one another (proc(5), mountinfo: fields 5 and 6). */
    static boolean isNoexec(Path directory, List<String> mounts) {
        int depth = -1;
        boolean noexec = false;
        for (String line : mounts) {
            String[] fields = line.split(" ");
            if (fields.length > 5) {
                Path mount = Path.of(fields[4].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\"));
                if (directory.startsWith(mount) && mount.getNameCount() >= depth) {
                    depth = mount.getNameCount();
                    noexec = List.of(fields[5].split(",")).contains("noexec");
                }
            }
        }
        return noexec;
    }
}
