package io.sails4j.hub;

import io.sails4j.InputException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The hub's cache on this machine, which Hugging Face's libraries share: {@code models--org--name/} with {@code refs/BRANCH}, a file that
 * holds a commit, and {@code snapshots/COMMIT/}, whose files are links to {@code blobs/} (huggingface.co/docs/hub/local-cache). Nothing
 * here asks the network.
 */
public final class HubCache {
    private static final System.Logger LOG = System.getLogger("io.sails4j.hub");
    private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");

    private final Path root;
    private final boolean offline;

    private HubCache(Path root, boolean offline) {
        this.root = root;
        this.offline = offline;
    }

    /** The cache of this process's environment. */
    public static HubCache ofSystem() {
        return of(System.getenv(), Path.of(System.getProperty("user.home")));
    }

    /** The cache that an environment names, as {@link HubSettings#cache} tells; neither token nor endpoint is looked at. */
    public static HubCache of(Map<String, String> environment, Path home) {
        return new HubCache(HubSettings.cacheOf(environment, home), HubSettings.isOffline(environment));
    }

    /** The cache's directory, which need not exist. */
    public Path root() {
        return root;
    }

    /**
     * What a person means by a path: what lies there; of a repository's directory in a cache ({@code models--org--name}) its snapshot; and
     * where nothing lies there, the {@code org/name} or {@code org/name/sub/directory} in this cache. What was taken in place of the path
     * is told to the logger {@code io.sails4j.hub}.
     *
     * @throws InputException where there is neither, with what to run
     */
    public Path locate(Path given) {
        if (Files.exists(given)) {
            Path snapshot = snapshotOf(given);
            if (!snapshot.equals(given)) {
                tell(given + " is a repository in a cache of the hub; its snapshot " + snapshot + " is used");
            } else if (asked(given).filter(repo -> Files.isDirectory(folder(repo))).isPresent()) {
                tell(given + " is taken as the path that exists here, not as the repository in " + root());
            }
            return snapshot;
        }
        HubRepo repo = asked(given).orElse(null);
        boolean cached = repo != null && Files.isDirectory(folder(repo).resolve("snapshots"));
        if (repo == null || !cached && Files.exists(given.getName(0))) {
            return given;
        }
        if (!cached) {
            throw new InputException(given + " is neither a path here nor a repository in the hub's cache " + root() + "; "
                + (offline ? "HF_HUB_OFFLINE is set, so bring it there from a machine with a network"
                    : "run `sails download " + repo + "`"));
        }
        Path snapshot = snapshotOf(folder(repo));
        Path found = given.getNameCount() == 2 ? snapshot : snapshot.resolve(given.subpath(2, given.getNameCount()).toString());
        if (!found.normalize().startsWith(snapshot.normalize()) || Files.notExists(found)) {
            throw new InputException(given + ": the snapshot " + snapshot + " of " + repo + " has no '"
                + given.subpath(2, given.getNameCount()) + "'; run `sails download " + repo
                + "` with include=GLOB, such as '" + given.subpath(2, given.getNameCount()) + "/*'");
        }
        tell(given + " is no path here; " + found + " in the hub's cache is used");
        return found;
    }

    /** The repository that a relative path names with its first two parts. */
    private static Optional<HubRepo> asked(Path given) {
        if (given.isAbsolute() || given.getNameCount() < 2 || given.toString().isEmpty()) {
            return Optional.empty();
        }
        String id = given.getName(0) + "/" + given.getName(1);
        return HubRepo.isId(id) ? Optional.of(new HubRepo(id)) : Optional.empty();
    }

    private Path folder(HubRepo repo) {
        return root().resolve(repo.folder());
    }

    private static void tell(String sentence) {
        LOG.log(System.Logger.Level.INFO, sentence);
    }

    /**
     * Of a repository's directory in a cache the snapshot: the commit of {@code refs/main}, else the only one there is. Any other path is
     * itself.
     *
     * @throws InputException where the directory has no snapshot, or several and no {@code refs/main}
     */
    public static Path snapshotOf(Path directory) {
        Path name = directory.toAbsolutePath().normalize().getFileName();
        Optional<HubRepo> repo = name == null ? Optional.empty() : HubRepo.ofFolder(name.toString());
        Path snapshots = directory.resolve("snapshots");
        if (repo.isEmpty() || !Files.isDirectory(directory)
            || !Files.isDirectory(snapshots) && !Files.isDirectory(directory.resolve("blobs"))) {
            return directory;
        }
        List<String> commits = entries(snapshots);
        Path main = directory.resolve("refs").resolve("main");
        if (Files.isRegularFile(main)) {
            String commit = commitIn(main);
            if (commits.contains(commit)) {
                return snapshots.resolve(commit);
            }
            throw new InputException(main + " names the commit " + commit + ", which has no snapshot in " + snapshots + " ("
                + listed(commits) + "); run `sails download " + repo.get() + "`, or name a snapshot itself");
        }
        if (commits.size() == 1) {
            return snapshots.resolve(commits.getFirst());
        }
        throw new InputException(directory + (commits.isEmpty() ? " has no snapshot; run `sails download " + repo.get() + "`"
            : " has no refs/main and several snapshots, name one of them: " + listed(commits.stream()
                .map(commit -> snapshots.resolve(commit).toString()).toList())));
    }

    private static String commitIn(Path ref) {
        try {
            String commit = Files.size(ref) > 256 ? "" : Files.readString(ref).strip();
            if (COMMIT.matcher(commit).matches()) {
                return commit;
            }
        } catch (IOException e) {
            throw new InputException("cannot read " + ref + ": " + e, e);
        }
        throw new InputException(ref + " holds no commit, expected 40 hexadecimal digits; remove it and run `sails download` again");
    }

    private static List<String> entries(Path directory) {
        if (!Files.isDirectory(directory)) {
            return List.of();
        }
        try (Stream<Path> list = Files.list(directory)) {
            return list.filter(Files::isDirectory).map(p -> Objects.requireNonNull(p.getFileName()).toString()).sorted().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String listed(List<String> names) {
        return names.isEmpty() ? "there is none" : String.join(", ", names);
    }
}
