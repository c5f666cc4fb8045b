package io.sails4j.serve;

import com.fasterxml.jackson.databind.JsonNode;
import com.sun.net.httpserver.HttpExchange;
import io.sails4j.files.JsonFiles;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** One request of a client and its reply. */
final class Exchange {
    private static final int EMPTY = -1;
    /** Bytes of a body that nobody wants which are read past. Who sends more may find the connection closed before the reply. */
    private static final int MOST_LEFT = 64 << 20;

    private final HttpExchange http;
    private int status;

    Exchange(HttpExchange http) {
        this.http = http;
    }

    /** Of the reply, 0 while there is none. */
    int status() {
        return status;
    }

    String method() {
        return http.getRequestMethod();
    }

    String path() {
        return http.getRequestURI().getPath();
    }

    /** Whether the client knows the key; compared in a time that does not tell how much of it is right. */
    void requireKey(@Nullable String key) {
        if (key == null) {
            return;
        }
        String given = http.getRequestHeaders().getFirst("Authorization");
        byte[] expected = ("Bearer " + key).getBytes(StandardCharsets.UTF_8);
        // The server makes a character of each byte of a header.
        if (given == null || !MessageDigest.isEqual(expected, given.getBytes(StandardCharsets.ISO_8859_1))) {
            throw new HttpFailure(401, "invalid_api_key", null,
                "the API key is " + (given == null ? "missing" : "wrong") + "; send it as 'Authorization: Bearer KEY'");
        }
    }

    void requireMethod(String method) {
        if (!method.equals(method())) {
            http.getResponseHeaders().set("Allow", method);
            throw new HttpFailure(405, "method_not_allowed", null, method() + " " + path() + " is not known, expected " + method);
        }
    }

    /**
     * The body as JSON.
     *
     * @param most bytes of it
     */
    JsonNode json(int most) throws IOException {
        String type = http.getRequestHeaders().getFirst("Content-Type");
        if (type == null || !type.toLowerCase(Locale.ROOT).startsWith("application/json")) {
            // A page in a browser may send other types anywhere without being asked whether it may.
            throw new HttpFailure(415, "unsupported_media_type", null,
                "the body's Content-Type is " + (type == null ? "missing" : "'" + type + "'") + ", expected application/json");
        }
        byte[] bytes = http.getRequestBody().readNBytes(most + 1);
        if (bytes.length > most) {
            throw new HttpFailure(413, "body_too_large", null, "the body has more than " + most + " bytes, the most that is taken");
        }
        try {
            return JsonFiles.parse(StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString(), "the body");
        } catch (CharacterCodingException e) {
            throw HttpFailure.wrong(null, "the body is not valid UTF-8");
        }
    }

    void reply(int code, String type, String body) throws IOException {
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        if (bytes.length == 0 || method().equals("HEAD")) {
            passBody();
            start(code, type, EMPTY);
            return;
        }
        start(code, type, bytes.length);
        try (OutputStream out = http.getResponseBody()) {
            out.write(bytes);
            out.flush();
            // A connection that is closed with bytes unread is reset, and a client that still sends never sees the reply.
            passBody();
        }
    }

    private void passBody() throws IOException {
        InputStream body = http.getRequestBody();
        byte[] piece = new byte[1 << 13];
        int count = body.read(piece);
        for (int all = 0; count >= 0 && all < MOST_LEFT; count = body.read(piece)) {
            all += count;
        }
    }

    void reply(int code, JsonNode body) throws IOException {
        reply(code, "application/json", body + "\n");
    }

    void fail(HttpFailure failure) throws IOException {
        if (failure.passes()) {
            http.getResponseHeaders().set("Retry-After", "1");
        }
        if (failure.status() == 401) {
            http.getResponseHeaders().set("WWW-Authenticate", "Bearer");
        }
        reply(failure.status(), failure.json());
    }

    /** Begins a stream of events (WHATWG HTML, server-sent events). */
    OutputStream events() throws IOException {
        http.getResponseHeaders().set("Cache-Control", "no-store");
        // Proxies that gather what they pass on would make one piece of all.
        http.getResponseHeaders().set("X-Accel-Buffering", "no");
        start(200, "text/event-stream; charset=utf-8", 0);
        return http.getResponseBody();
    }

    static void event(OutputStream out, String data) throws IOException {
        out.write(("data: " + data + "\n\n").getBytes(StandardCharsets.UTF_8));
        out.flush();
    }

    private void start(int code, String type, long length) throws IOException {
        status = code;
        http.getResponseHeaders().put("Content-Type", List.of(type));
        http.sendResponseHeaders(code, length);
    }

    void close() {
        http.close();
    }
}
