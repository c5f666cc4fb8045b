package io.sails4j.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.InputException;
import io.sails4j.http.Patience;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A server that cuts, redirects, limits, lies and changes its mind: what is in the cache after it is right or not there. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class HubDownloadTest {
    private static final String WEIGHTS = "model.safetensors";
    /** Tries again at once; how long a server may send nothing is not short, since a busy machine is no fault. */
    private static final Patience SHORT = new Patience(4, Duration.ofMillis(5), Duration.ofSeconds(3), Duration.ofSeconds(30));

    @TempDir
    private Path cache;
    private HubServer server;
    private byte[] weights;
    private final List<String> notes = new ArrayList<>();
    private final List<Long> progress = new ArrayList<>();

    @BeforeEach
    void start() throws IOException {
        server = new HubServer();
        weights = new byte[200_000];
        new Random(1).nextBytes(weights);
        server.files.put("config.json", "{\"model_type\": \"llama\"}".getBytes(StandardCharsets.UTF_8));
        server.files.put(WEIGHTS, weights);
        server.files.put("tokenizer.json", "{}".getBytes(StandardCharsets.UTF_8));
        server.files.put("README.md", new byte[10]);
        server.files.put("pytorch_model.bin", new byte[10]);
        server.files.put("original/consolidated.00.pth", new byte[10]);
        server.files.put("original/params.json", new byte[10]);
        server.files.put("layer_1/average_l0_7/params.npz", new byte[11]);
        server.large.add(WEIGHTS);
    }

    @AfterEach
    void stop() {
        server.close();
    }

    private HubListener listener() {
        return new HubListener() {
            @Override
            public void progress(long done, long total, String file) {
                progress.add(done);
            }

            @Override
            public void note(String sentence) {
                notes.add(sentence);
            }
        };
    }

    private HubSnapshot download(String... environment) {
        return download(HubRequest.of("org/name"), environment);
    }

    private HubSnapshot download(HubRequest request, String... environment) {
        return new HubDownload(server.settings(cache, environment), SHORT).run(request, listener());
    }

    private Path repository() {
        return cache.resolve("models--org--name");
    }

    private Path blob() {
        return repository().resolve("blobs").resolve(HubServer.sha256(weights));
    }

    private void assertWhole() throws IOException {
        assertThat(repository().resolve("snapshots").resolve(HubServer.COMMIT).resolve(WEIGHTS)).hasBinaryContent(weights);
        assertThat(HubServer.unfinished(repository())).isEmpty();
        assertThat(repository().resolve("refs/main")).hasContent(HubServer.COMMIT);
    }

    private void failed(Class<? extends RuntimeException> kind, String... parts) {
        assertThatThrownBy(() -> download()).isInstanceOf(kind)
            .satisfies(e -> assertThat(e.getMessage()).contains(parts).doesNotContain("\n"));
        assertThat(repository().resolve("refs/main")).doesNotExist();
        assertThat(blob()).doesNotExist();
    }

    @Test
    void theLayoutIsThatOfTheHubsCache() throws IOException {
        HubSnapshot snapshot = download();
        assertWhole();
        assertThat(snapshot.files()).isEqualTo(3);
        assertThat(snapshot.downloadedBytes()).isEqualTo(snapshot.bytes());
        assertThat(Files.readSymbolicLink(snapshot.directory().resolve(WEIGHTS)))
            .isEqualTo(Path.of("../../blobs", HubServer.sha256(weights)));
        assertThat(Files.readSymbolicLink(snapshot.directory().resolve("config.json")))
            .isEqualTo(Path.of("../../blobs", HubServer.gitBlob(server.files.get("config.json"))));
        try (var list = Files.list(snapshot.directory())) {
            assertThat(list.map(p -> p.getFileName().toString())).containsExactlyInAnyOrder("config.json", WEIGHTS, "tokenizer.json");
        }
        assertThat(HubCache.of(Map.of("HF_HUB_CACHE", cache.toString()), cache).locate(Path.of("org/name")))
            .isEqualTo(snapshot.directory());
        assertThat(progress).isSorted().last().isEqualTo(snapshot.bytes());
        server.requests.clear();
        assertThat(download().downloadedBytes()).isZero();
        assertThat(server.requests).noneMatch(r -> r.startsWith("GET") && r.contains("/resolve/"));
    }

    @Test
    void patternsChooseAndPicklesStay() throws IOException {
        HubSnapshot snapshot = download(new HubRequest(new HubRepo("org/name"), "main", List.of("layer_1/*", "original/")));
        assertThat(snapshot.directory().resolve("layer_1/average_l0_7/params.npz")).hasSize(11);
        assertThat(Files.readSymbolicLink(snapshot.directory().resolve("layer_1/average_l0_7/params.npz")).toString())
            .startsWith("../../../../blobs/");
        assertThat(snapshot.directory().resolve("original/params.json")).exists();
        assertThat(snapshot.directory().resolve("original/consolidated.00.pth")).doesNotExist();
        server.files.keySet().removeIf(name -> !name.startsWith("layer_1"));
        assertThatThrownBy(() -> download()).isInstanceOf(InputException.class).hasMessageContaining("layer_1/average_l0_7/*");
    }

    @Test
    void aCommitHasNoReferenceAndABranchMayHaveSlashes() throws IOException {
        download(new HubRequest(new HubRepo("org/name"), HubServer.COMMIT, List.of()));
        assertThat(repository().resolve("refs")).doesNotExist();
        download(new HubRequest(new HubRepo("org/name"), "refs/pr/1", List.of()));
        assertThat(repository().resolve("refs/refs/pr/1")).hasContent(HubServer.COMMIT);
        assertThat(server.requests).anyMatch(r -> r.contains("/revision/refs/pr/1"));
        assertThatThrownBy(() -> new HubRequest(new HubRepo("org/name"), "../x", List.of())).isInstanceOf(InputException.class);
    }

    @Test
    void theTokenGoesToTheEndpointAlone() throws IOException {
        download("HF_TOKEN", "hf_secret");
        assertWhole();
        assertThat(server.requests).anyMatch(r -> r.contains(" localhost /store/"));
        assertThat(server.requests).allSatisfy(r -> assertThat(r.contains("hf_secret")).isEqualTo(r.contains(" 127.0.0.1 ")));
    }

    @Test
    void aTransferThatBreaksOffGoesOn() throws IOException {
        server.trick(WEIGHTS, HubServer.cutFromThere(weights, 70_000), HubServer.cutFromThere(weights, 50_000));
        download();
        assertWhole();
        List<Integer> starts = server.starts();
        assertThat(starts).hasSize(2).isSorted().doesNotHaveDuplicates();
        assertThat(starts.getFirst()).isPositive().isLessThanOrEqualTo(70_000);
    }

    @Test
    void aLaterRunGoesOn() throws IOException {
        server.trick(WEIGHTS, HubServer.cut(weights, 0, 70_000), HubServer.status(404));
        failed(InputException.class, WEIGHTS, "404");
        assertThat(HubServer.unfinished(repository())).containsExactly(HubServer.sha256(weights) + ".incomplete");
        assertThat(download().downloadedBytes()).isLessThan(weights.length);
        assertWhole();
    }

    @Test
    void serversWithoutRangesSendAllOfIt() throws IOException {
        server.ranges = false;
        server.trick(WEIGHTS, HubServer.cut(weights, 0, 70_000));
        download();
        assertWhole();
    }

    @Test
    void aTransferThatNeverGetsOnEnds() {
        // More than we ask for: Java's client asks once more by itself where a connection ends before an answer begins.
        server.trick(WEIGHTS, Collections.nCopies(12, HubServer.cut(weights, 0, 0)).toArray(HubServer.Trick[]::new));
        failed(UncheckedIOException.class, WEIGHTS, "4 times without a byte more", "0 of 200000", "goes on from there");
    }

    @Test
    void aServerThatStallsIsLeft() throws IOException {
        server.trick(WEIGHTS, exchange -> {
            exchange.sendResponseHeaders(200, weights.length);
            exchange.getResponseBody().write(weights, 0, 1000);
            exchange.getResponseBody().flush();
            sleep(3000);
        });
        Patience impatient = new Patience(SHORT.tries(), SHORT.firstWait(), SHORT.longestWait(), Duration.ofMillis(700));
        new HubDownload(server.settings(cache), impatient).run(HubRequest.of("org/name"), listener());
        assertWhole();
        assertThat(server.requests).anyMatch(r -> r.contains("bytes=1000-"));
    }

    private static void sleep(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Test
    void contentThatChangedBetweenTwoTriesIsFetchedAnew() throws IOException {
        Files.createDirectories(repository().resolve("blobs"));
        Files.write(repository().resolve("blobs").resolve(HubServer.sha256(weights) + ".incomplete"), new byte[5000]);
        download();
        assertWhole();
        assertThat(notes).anyMatch(n -> n.contains("is fetched from its beginning"));
        Files.delete(blob());
        Files.write(repository().resolve("blobs").resolve(HubServer.sha256(weights) + ".incomplete"), new byte[weights.length + 9]);
        download();
        assertWhole();
    }

    @Test
    void contentThatChangesWithinOneRunIsFetchedAnew() throws IOException {
        byte[] older = weights.clone();
        older[3] ^= 1;
        server.trick(WEIGHTS, HubServer.cut(older, 0, 70_000));
        download();
        assertWhole();
        assertThat(notes).anyMatch(n -> n.contains("does not belong to what the server sends now"));
        Files.delete(blob());
        server.trick(WEIGHTS, HubServer.cut(weights, 0, 70_000), HubServer.cut(weights, 60_000, 10_000));
        download();
        assertWhole();
    }

    @Test
    void aRedirectToNowhereIsNoContent() {
        server.trick(WEIGHTS, HubServer.status(302));
        failed(UncheckedIOException.class, "answers 302");
    }

    @Test
    void aResumedPartThatIsWholeIsCheckedWithoutANetwork() throws IOException {
        Files.createDirectories(repository().resolve("blobs"));
        Files.write(repository().resolve("blobs").resolve(HubServer.sha256(weights) + ".incomplete"), weights);
        download();
        assertWhole();
        assertThat(server.requests).noneMatch(r -> r.startsWith("GET") && r.endsWith(WEIGHTS));
    }

    @Test
    void wrongContentIsRemoved() throws IOException {
        byte[] other = weights.clone();
        other[7] ^= 1;
        server.trick(WEIGHTS, HubServer.body(other));
        failed(UncheckedIOException.class, WEIGHTS, "checksum " + HubServer.sha256(other), "announced " + HubServer.sha256(weights));
        assertThat(HubServer.unfinished(repository())).isEmpty();
    }

    @Test
    void aGitChecksumIsCheckedToo() throws IOException {
        server.trick("config.json", HubServer.body("{\"model_type\": \"llamb\"}".getBytes(StandardCharsets.UTF_8)));
        failed(UncheckedIOException.class, "config.json", "checksum");
    }

    @Test
    void sizesThatAreNotTrue() throws IOException {
        server.sizes.put(WEIGHTS, 100_000L);
        failed(UncheckedIOException.class, WEIGHTS, "more than the 100000 bytes");
        assertThat(HubServer.unfinished(repository())).isEmpty();
        server.sizes.put(WEIGHTS, 300_000L);
        failed(UncheckedIOException.class, WEIGHTS, "of 300000 bytes");
        server.sizes.put(WEIGHTS, 100_000_000_000_000_000L);
        failed(UncheckedIOException.class, "HF_HUB_CACHE");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "../../../../escape", "d41d8cd98f00b204e9800998ecf8427e", "zz"})
    void etagsThatAreNoChecksums(String etag) {
        server.etags.put(WEIGHTS, etag);
        failed(UncheckedIOException.class, WEIGHTS, "ETag");
    }

    @ParameterizedTest
    @ValueSource(strings = {"../evil.json", "/etc/evil.json", "a/../../evil.json", "evil\0.json", "a//b.json", "", ".", "a\\..\\b.json",
        "x\n.json"})
    void namesThatLeaveTheSnapshot(String name) {
        server.listed = List.of("config.json", WEIGHTS, name);
        failed(InputException.class, "no name inside the repository", "nothing is downloaded");
        assertThat(repository()).doesNotExist();
    }

    @Test
    void limitsAreWaitedFor() throws IOException {
        server.trick(WEIGHTS, HubServer.status(429, "Retry-After", "1"), HubServer.status(503), HubServer.status(500));
        long start = System.nanoTime();
        download();
        assertWhole();
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isGreaterThanOrEqualTo(Duration.ofSeconds(1));
        assertThat(notes).anyMatch(n -> n.contains("429") && n.contains("in 1 s"));
        Files.delete(blob());
        Files.delete(repository().resolve("refs/main"));
        server.trick(WEIGHTS, HubServer.status(429, "Retry-After", "86400"));
        failed(UncheckedIOException.class, "429", "86400 s");
        HubServer.Trick busy = HubServer.status(503);
        server.trick(WEIGHTS, busy, busy, busy, busy);
        failed(UncheckedIOException.class, "503", "try again later");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "403 | GatedRepo | accept its licence at | HF_TOKEN", "401 | GatedRepo | accept its licence at | no token was sent",
        "401 | RepoNotFound | private or gated | no token was sent", "404 | RevisionNotFound | has no revision 'main' | see http",
        "404 | RepoNotFound | is the name right | 404", "400 | x | answers 400 | try again later"})
    void refusals(int status, String code, String first, String second) {
        server.trick("main", HubServer.status(status, "X-Error-Code", code, "X-Error-Message", "Because"));
        failed(status == 400 ? UncheckedIOException.class : InputException.class, first, second);
        server.trick("main", HubServer.status(403, "X-Error-Code", "GatedRepo"));
        assertThatThrownBy(() -> download("HF_TOKEN", "hf_secret")).hasMessageContaining("the token of HF_TOKEN was sent")
            .satisfies(e -> assertThat(e.getMessage()).doesNotContain("secret"));
    }

    @Test
    void redirectsThatAreNotFollowed() {
        HubServer.Trick around = HubServer.status(302, "Location", "/org/name/resolve/" + HubServer.COMMIT + "/config.json");
        server.trick("config.json", Arrays.stream(new int[11]).mapToObj(i -> around).toArray(HubServer.Trick[]::new));
        failed(UncheckedIOException.class, "redirects more than 10 times");
        server.trick(WEIGHTS, HubServer.status(302, "Location", "file:///etc/passwd"));
        failed(InputException.class, "redirects to 'file:///etc/passwd'");
    }

    @Test
    void whatIsNoHubAndWhatIsNotThere() throws IOException {
        server.trick("main", HubServer.body("<html>".getBytes(StandardCharsets.UTF_8)));
        failed(InputException.class, "not valid JSON");
        server.trick("main", HubServer.body("{}".getBytes(StandardCharsets.UTF_8)));
        failed(InputException.class, "expected 'sha' and 'siblings'");
        int port;
        try (ServerSocket socket = new ServerSocket(0)) {
            port = socket.getLocalPort();
        }
        assertThatThrownBy(() -> download("HF_ENDPOINT", "http://127.0.0.1:" + port)).isInstanceOf(UncheckedIOException.class)
            .hasMessageContaining("cannot reach 127.0.0.1").hasMessageContaining("the connection is refused");
        assertThatThrownBy(() -> download("HF_ENDPOINT", "http://no-such-host.invalid")).isInstanceOf(UncheckedIOException.class)
            .hasMessageContaining("the name has no address");
        assertThatThrownBy(() -> download("HF_HUB_OFFLINE", "1")).isInstanceOf(InputException.class).hasMessageContaining("HF_HUB_OFFLINE");
    }

    @Test
    void twoDownloadsDoNotMeet() {
        server.trick("main", exchange -> {
            assertThatThrownBy(() -> download()).isInstanceOf(InputException.class).hasMessageContaining("being downloaded");
            HubServer.status(404).answer(exchange);
        });
        assertThatThrownBy(() -> download()).isInstanceOf(InputException.class).hasMessageContaining("404");
    }
}
