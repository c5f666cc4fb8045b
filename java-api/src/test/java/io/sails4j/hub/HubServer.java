package io.sails4j.hub;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executors;

/** A hub on this machine, with a store for large files under another host name; it misbehaves as it is told. */
final class HubServer implements AutoCloseable {
    static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";

    /** One thing to do instead of the proper answer, once. */
    @FunctionalInterface
    interface Trick {
        void answer(HttpExchange exchange) throws IOException;
    }

    private final HttpServer server;
    final Map<String, byte[]> files = new LinkedHashMap<>();
    /** What the list shows in place of the files' names; null = those. */
    List<String> listed = List.of();
    /** Names whose answer is a redirect to the store. */
    final List<String> large = new CopyOnWriteArrayList<>();
    final Map<String, String> etags = new LinkedHashMap<>();
    final Map<String, Long> sizes = new LinkedHashMap<>();
    /** Tricks for GET requests of a path's end, in order. */
    final Map<String, Deque<Trick>> tricks = new LinkedHashMap<>();
    /** Requests as METHOD HOST PATH [RANGE] [TOKEN]. */
    final List<String> requests = new CopyOnWriteArrayList<>();
    boolean ranges = true;

    HubServer() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
        server.createContext("/", this::handle);
        server.start();
    }

    String endpoint() {
        return "http://127.0.0.1:" + server.getAddress().getPort();
    }

    private String store() {
        return "http://localhost:" + server.getAddress().getPort() + "/store/";
    }

    void trick(String end, Trick... all) {
        tricks.computeIfAbsent(end, e -> new ArrayDeque<>()).addAll(Arrays.asList(all));
    }

    static Trick status(int status, String... headers) {
        return exchange -> {
            for (int i = 0; i < headers.length; i += 2) {
                exchange.getResponseHeaders().set(headers[i], headers[i + 1]);
            }
            exchange.sendResponseHeaders(status, -1);
        };
    }

    /** Promises a body and ends the connection after some bytes of it. */
    static Trick cut(byte[] content, int from, int bytes) {
        return exchange -> {
            if (from > 0) {
                exchange.getResponseHeaders().set("Content-Range", "bytes " + from + "-" + (content.length - 1) + "/" + content.length);
            }
            exchange.sendResponseHeaders(from > 0 ? 206 : 200, content.length - from);
            exchange.getResponseBody().write(content, from, bytes);
            exchange.getResponseBody().flush();
            throw new IOException("cut");
        };
    }

    /** From where the client asks on. How much of a broken answer a client gets to see is not the server's to say. */
    static Trick cutFromThere(byte[] content, int bytes) {
        return exchange -> {
            String range = exchange.getRequestHeaders().getFirst("Range");
            int from = range == null ? 0 : Integer.parseInt(range.substring("bytes=".length(), range.length() - 1));
            cut(content, from, bytes).answer(exchange);
        };
    }

    /** Where each request for a part of a file begins. */
    List<Integer> starts() {
        return requests.stream().filter(r -> r.contains(" /store/") && r.contains("bytes="))
            .map(r -> Integer.valueOf(r.substring(r.indexOf("bytes=") + 6, r.lastIndexOf('-')))).toList();
    }

    static Trick body(byte[] content) {
        return exchange -> {
            exchange.sendResponseHeaders(200, content.length);
            exchange.getResponseBody().write(content);
        };
    }

    private void handle(HttpExchange exchange) throws IOException {
        try (exchange) {
            String path = exchange.getRequestURI().getPath();
            String range = exchange.getRequestHeaders().getFirst("Range");
            String token = exchange.getRequestHeaders().getFirst("Authorization");
            requests.add(exchange.getRequestMethod() + " " + exchange.getRequestHeaders().getFirst("Host").split(":")[0] + " " + path
                + (range == null ? "" : " " + range) + (token == null ? "" : " " + token));
            for (Map.Entry<String, Deque<Trick>> entry : tricks.entrySet()) {
                boolean asked = path.endsWith(entry.getKey()) && !exchange.getRequestMethod().equals("HEAD")
                    && !(path.contains("/resolve/") && large.contains(entry.getKey()));
                if (asked && !entry.getValue().isEmpty()) {
                    entry.getValue().poll().answer(exchange);
                    return;
                }
            }
            if (path.startsWith("/api/models/")) {
                list(exchange);
            } else if (path.startsWith("/store/")) {
                send(exchange, path.substring("/store/".length()), range);
            } else {
                resolve(exchange, path.substring(path.indexOf("/resolve/") + 9 + COMMIT.length() + 1), range);
            }
        }
    }

    private void list(HttpExchange exchange) throws IOException {
        ObjectNode json = new ObjectMapper().createObjectNode().put("sha", COMMIT);
        (listed.isEmpty() ? files.keySet() : listed).forEach(name -> json.withArray("/siblings").addObject().put("rfilename", name));
        body(json.toString().getBytes(StandardCharsets.UTF_8)).answer(exchange);
    }

    private void resolve(HttpExchange exchange, String name, String range) throws IOException {
        byte[] content = files.get(name);
        if (content == null) {
            status(404, "X-Error-Code", "EntryNotFound").answer(exchange);
            return;
        }
        exchange.getResponseHeaders().set("X-Repo-Commit", COMMIT);
        if (large.contains(name)) {
            exchange.getResponseHeaders().set("X-Linked-Etag", "\"" + etags.getOrDefault(name, sha256(content)) + "\"");
            exchange.getResponseHeaders().set("X-Linked-Size", String.valueOf(sizes.getOrDefault(name, (long) content.length)));
            exchange.getResponseHeaders().set("Location", store() + name);
            exchange.sendResponseHeaders(302, -1);
            return;
        }
        exchange.getResponseHeaders().set("ETag", "W/\"" + etags.getOrDefault(name, gitBlob(content)) + "\"");
        send(exchange, name, range);
    }

    private void send(HttpExchange exchange, String name, String range) throws IOException {
        byte[] content = files.get(name);
        if (exchange.getRequestMethod().equals("HEAD")) {
            exchange.getResponseHeaders().set("Content-Length", String.valueOf(content.length));
            exchange.sendResponseHeaders(200, -1);
            return;
        }
        int from = range == null || !ranges ? 0 : Integer.parseInt(range.replaceAll("[^0-9]", ""));
        if (from >= content.length && from > 0) {
            status(416).answer(exchange);
            return;
        }
        if (from > 0) {
            exchange.getResponseHeaders().set("Content-Range", "bytes " + from + "-" + (content.length - 1) + "/" + content.length);
        }
        exchange.sendResponseHeaders(from > 0 ? 206 : 200, content.length == 0 ? -1 : content.length - from);
        exchange.getResponseBody().write(content, from, content.length - from);
    }

    static String sha256(byte[] content) {
        return digest("SHA-256", content);
    }

    static String gitBlob(byte[] content) {
        byte[] head = ("blob " + content.length + "\0").getBytes(StandardCharsets.US_ASCII);
        byte[] all = Arrays.copyOf(head, head.length + content.length);
        System.arraycopy(content, 0, all, head.length, content.length);
        return digest("SHA-1", all);
    }

    private static String digest(String algorithm, byte[] content) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance(algorithm).digest(content));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Settings for this server and a cache. */
    HubSettings settings(Path cache, String... pairs) {
        Map<String, String> environment = new LinkedHashMap<>(Map.of("HF_ENDPOINT", endpoint(), "HF_HUB_CACHE", cache.toString()));
        for (int i = 0; i < pairs.length; i += 2) {
            environment.put(pairs[i], pairs[i + 1]);
        }
        return HubSettings.of(environment, cache.resolve("nobody"));
    }

    /** Files that a download left unfinished. */
    static List<String> unfinished(Path repository) throws IOException {
        try (var list = Files.list(repository.resolve("blobs"))) {
            return list.map(p -> p.getFileName().toString()).filter(n -> n.endsWith(".incomplete")).toList();
        }
    }

    @Override
    public void close() {
        server.stop(0);
    }
}
