package io.sails4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.sails4j.config.ModelConfig;
import io.sails4j.model.ModelWeights;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.tensor.DType;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code sails download} from a hub on this machine, in processes with an environment of their own; then the model by its name. */
class DownloadCommandTest {
    private static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";

    @TempDir
    private Path directory;
    private HttpServer server;

    private record Ended(int exit, String output) {
    }

    @BeforeEach
    void start() throws IOException {
        ModelConfig config = ModelConfig.gemma2().vocabSize(64).dModel(16).layers(2).heads(2, 1).headDim(8).dFf(24).slidingWindow(4)
            .maxPositionEmbeddings(64).checkpointDtype(DType.F32).build();
        Files.createDirectory(directory.resolve("model"));
        try (Engine engine = Engine.open(EngineOptions.defaults());
             ModelWeights weights = ModelWeights.random(config, engine, DType.F32, 1)) {
            weights.writeInto(directory.resolve("model"), engine);
        }
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/", this::answer);
        server.start();
    }

    @AfterEach
    void stop() {
        server.stop(0);
    }

    private void answer(HttpExchange exchange) throws IOException {
        try (exchange) {
            String path = exchange.getRequestURI().getPath();
            byte[] body;
            if (path.equals("/api/models/org/tiny/revision/main")) {
                body = ("{\"sha\": \"" + COMMIT
                    + "\", \"siblings\": [{\"rfilename\": \"config.json\"}, {\"rfilename\": \"model.safetensors\"}]}")
                    .getBytes(StandardCharsets.UTF_8);
            } else if (path.startsWith("/org/tiny/resolve/" + COMMIT + "/")) {
                body = Files.readAllBytes(directory.resolve("model").resolve(path.substring(path.lastIndexOf('/') + 1)));
            } else {
                exchange.getResponseHeaders().set("X-Error-Code", "GatedRepo");
                exchange.sendResponseHeaders(401, -1);
                return;
            }
            exchange.getResponseHeaders().set("X-Linked-Etag", '"' + sha256(body) + '"');
            exchange.getResponseHeaders().set("X-Linked-Size", String.valueOf(body.length));
            boolean head = exchange.getRequestMethod().equals("HEAD");
            exchange.sendResponseHeaders(200, head ? -1 : body.length);
            if (!head) {
                exchange.getResponseBody().write(body);
            }
        }
    }

    private static String sha256(byte[] content) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    private Ended sails(String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-XX:TieredStopAtLevel=1", "--enable-native-access=ALL-UNNAMED", "-cp", System.getProperty("java.class.path"),
            "io.sails4j.cli.Main"));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true).directory(directory.toFile());
        builder.environment().put("HF_ENDPOINT", "http://127.0.0.1:" + server.getAddress().getPort());
        builder.environment().put("HF_HUB_CACHE", directory.resolve("cache").toString());
        builder.environment().keySet().removeAll(List.of("HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"));
        Process process = builder.start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Ended(process.waitFor(), output);
    }

    @Test
    void whatIsDownloadedIsFoundByItsName() throws Exception {
        Ended absent = sails("inspect", "org/tiny");
        assertThat(absent.exit()).as(absent.output()).isEqualTo(2);
        assertThat(absent.output()).contains("run `sails download org/tiny`");
        Ended gated = sails("download", "org/other");
        assertThat(gated.exit()).as(gated.output()).isEqualTo(2);
        assertThat(gated.output()).contains("accept its licence at", "HF_TOKEN");
        Ended loaded = sails("download", "org/tiny", "--json");
        assertThat(loaded.exit()).as(loaded.output()).isZero();
        assertThat(loaded.output()).contains("\"commit\":\"" + COMMIT + "\"");
        Ended used = sails("generate", "--model", "org/tiny", "--tokens", "2,3", "--max-new-tokens", "2");
        assertThat(used.exit()).as(used.output()).isZero();
        assertThat(used.output()).contains("org/tiny is no path here", "snapshots/" + COMMIT);
    }
}
