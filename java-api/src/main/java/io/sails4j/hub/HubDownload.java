package io.sails4j.hub;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.InputException;
import io.sails4j.files.AtomicFiles;
import io.sails4j.files.JsonFiles;
import io.sails4j.http.HttpAnswers;
import io.sails4j.http.Patience;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpHeaders;
import java.net.http.HttpResponse;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * Fills the hub's cache over HTTP, in the layout that Hugging Face's libraries share. A branch's reference is written last, so that it
 * names a snapshot with all the files that were asked for. A download that was stopped goes on where it ended.
 */
public final class HubDownload {
    private static final int MAX_LIST_BYTES = 64 << 20;
    private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");

    private final HubSettings settings;
    private final Patience patience;

    /** Into the cache, from the endpoint and with the token that settings name. */
    public HubDownload(HubSettings settings) {
        this(settings, Patience.usual());
    }

    HubDownload(HubSettings settings, Patience patience) {
        this.settings = settings;
        this.patience = patience;
    }

    /**
     * Downloads what is not there yet.
     *
     * @throws InputException where the hub does not give it out, or lists what cannot be used
     * @throws UncheckedIOException where network, server or disk fail; the same call goes on later
     */
    public HubSnapshot run(HubRequest request, HubListener listener) {
        if (settings.offline()) {
            throw new InputException("HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set, so that nothing is downloaded; unset it to fetch "
                + request.repo());
        }
        try (HubClient client = new HubClient(settings, request, patience, listener);
             Lock lock = new Lock(settings.cache(), request.repo())) {
            Listing listing = list(client, request);
            List<BlobFetch.RemoteFile> files = new ArrayList<>();
            for (String name : FileChoice.of(request, listing.names)) {
                files.add(announced(client, request, listing.commit, name));
            }
            return fetch(client, request, listing.commit, files, lock.repository(), listener);
        } catch (UncheckedIOException e) {
            throw e;
        } catch (IOException e) {
            throw HubAnswers.failed("cannot write the hub's cache " + settings.cache() + ": " + HttpAnswers.reason(e)
                + "; HF_HUB_CACHE names another", e);
        }
    }

    private record Listing(String commit, List<String> names) {
    }

    private Listing list(HubClient client, HubRequest request) throws IOException {
        String[] id = request.repo().id().split("/");
        URI address = client.address("api", "models", id[0], id[1], "revision", request.revision());
        String what = request.repo() + " at revision " + request.revision();
        byte[] bytes;
        try (InputStream body = client.get(address, 0, what).body()) {
            bytes = body.readNBytes(MAX_LIST_BYTES);
        } catch (IOException e) {
            throw HubAnswers.failed("the list of files of " + what + " broke off: " + HttpAnswers.reason(e) + "; run this again", e);
        }
        JsonNode json = JsonFiles.parse(new String(bytes, StandardCharsets.UTF_8), "the answer of " + address);
        String commit = json.path("sha").asText();
        JsonNode siblings = json.get("siblings");
        if (!COMMIT.matcher(commit).matches() || siblings == null || !siblings.isArray()) {
            throw new InputException("the answer of " + address + " has no commit with its files, expected 'sha' and 'siblings'; is "
                + settings.endpoint() + " a hub (HF_ENDPOINT)?");
        }
        List<String> names = new ArrayList<>();
        siblings.forEach(file -> names.add(file.path("rfilename").asText()));
        return new Listing(commit, names);
    }

    private static BlobFetch.RemoteFile announced(HubClient client, HubRequest request, String commit, String name) throws IOException {
        List<String> segments = new ArrayList<>(List.of(request.repo().id().split("/")));
        segments.addAll(List.of("resolve", commit));
        segments.addAll(List.of(name.split("/")));
        URI address = client.address(segments.toArray(String[]::new));
        HttpResponse<InputStream> answer = client.head(address, name + " of " + request.repo());
        answer.body().close();
        HttpHeaders headers = answer.headers();
        String at = headers.firstValue("x-repo-commit").orElse(commit);
        if (!at.equals(commit)) {
            throw HubAnswers.failed(name + ": the server answers with commit " + HttpAnswers.shown(at) + " instead of " + commit
                + "; run this again");
        }
        String etag = headers.firstValue("x-linked-etag").or(() -> headers.firstValue("etag")).orElse("").replaceFirst("^W/", "")
            .replace("\"", "").toLowerCase(Locale.ROOT);
        if (!Checksum.isKnown(etag)) {
            throw HubAnswers.failed(name + ": the server's ETag is '" + HttpAnswers.shown(etag)
                + "', expected the SHA-256 or the Git checksum of the file; without one it cannot be checked (is HF_ENDPOINT a hub?)");
        }
        boolean here = answer.statusCode() / 100 == 2;
        String size = headers.firstValue("x-linked-size").or(() -> here ? headers.firstValue("content-length") : Optional.empty())
            .orElse("");
        return new BlobFetch.RemoteFile(name, address, etag, size.matches("[0-9]{1,18}") ? Long.parseLong(size) : -1);
    }

    private HubSnapshot fetch(HubClient client, HubRequest request, String commit, List<BlobFetch.RemoteFile> files, Path repository,
        HubListener listener) throws IOException {
        Path blobs = Files.createDirectories(repository.resolve("blobs"));
        Map<String, BlobFetch.RemoteFile> missing = new LinkedHashMap<>();
        long total = 0;
        long done = 0;
        for (BlobFetch.RemoteFile file : files) {
            total += Math.max(0, file.size());
            if (isThere(blobs.resolve(file.etag()), file)) {
                done += Math.max(0, file.size());
            } else {
                missing.put(file.etag(), file);
            }
        }
        requireRoom(blobs, missing);
        long downloaded = 0;
        for (BlobFetch.RemoteFile file : missing.values()) {
            long before = done;
            long all = total;
            downloaded += new BlobFetch(client, patience, listener, file, blobs, have -> listener.progress(before + have, all, file.name()))
                .run();
            done += Math.max(0, file.size());
        }
        // Only now, so that a snapshot has all that was asked for.
        Path snapshot = Files.createDirectories(repository.resolve("snapshots").resolve(commit));
        long bytes = 0;
        for (BlobFetch.RemoteFile file : files) {
            link(snapshot.resolve(file.name()), blobs.resolve(file.etag()));
            bytes += Files.size(blobs.resolve(file.etag()));
        }
        if (!request.revision().equals(commit)) {
            AtomicFiles.writeString(repository.resolve("refs").resolve(request.revision()), commit);
        }
        return new HubSnapshot(request.repo(), commit, snapshot, files.size(), bytes, downloaded);
    }

    /** A blob was checked when it got its name; one that was cut since then is fetched again. */
    private static boolean isThere(Path blob, BlobFetch.RemoteFile file) throws IOException {
        return Files.isRegularFile(blob) && (file.size() < 0 || Files.size(blob) == file.size());
    }

    private static void requireRoom(Path blobs, Map<String, BlobFetch.RemoteFile> missing) throws IOException {
        long needed = 0;
        for (BlobFetch.RemoteFile file : missing.values()) {
            Path partial = blobs.resolve(file.etag() + ".incomplete");
            needed += Math.max(0, file.size() - (Files.exists(partial) ? Files.size(partial) : 0));
        }
        long room = Files.getFileStore(blobs).getUsableSpace();
        if (needed > room) {
            throw HubAnswers.failed("the disk of " + blobs + " has room for " + room + " bytes, " + needed
                + " are needed; make room or name another cache with HF_HUB_CACHE");
        }
    }

    /** A relative link, so that the cache can be moved as a whole; it replaces one to other content. */
    private static void link(Path file, Path blob) throws IOException {
        Path directory = Objects.requireNonNull(file.getParent());
        Files.createDirectories(directory);
        Path target = directory.relativize(blob);
        if (Files.isSymbolicLink(file) && Files.readSymbolicLink(file).equals(target)) {
            return;
        }
        Path fresh = directory.resolve("." + file.getFileName() + ".sails-link");
        Files.deleteIfExists(fresh);
        Files.createSymbolicLink(fresh, target);
        Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    /** One download of a repository into a cache at a time: two would write into one file. */
    private static final class Lock implements AutoCloseable {
        private final FileChannel channel;
        private final Path repository;

        Lock(Path cache, HubRepo repo) throws IOException {
            repository = cache.resolve(repo.folder());
            Path file = cache.resolve(".locks").resolve(repo.folder()).resolve("sails.lock");
            Files.createDirectories(Objects.requireNonNull(file.getParent()));
            channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            FileLock lock;
            try {
                lock = channel.tryLock();
            } catch (OverlappingFileLockException e) {
                channel.close();
                throw busy(repo, cache);
            }
            if (lock == null) {
                channel.close();
                throw busy(repo, cache);
            }
        }

        /** The repository's directory in the cache, which nobody else writes to. */
        Path repository() {
            return repository;
        }

        private static InputException busy(HubRepo repo, Path cache) {
            return new InputException(repo + " is being downloaded into " + cache + " by another process; wait for its end");
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }
    }
}
