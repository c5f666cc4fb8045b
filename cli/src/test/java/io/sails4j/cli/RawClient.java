package io.sails4j.cli;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** A connection to a server on which anything may be sent, right or wrong: clients of the library would not send most of it. */
final class RawClient implements AutoCloseable {
    /** How long an answer may take on a machine that does much else. Who waits longer was forgotten by the server. */
    static final int DEADLINE_MS = 120_000;
    private static final int FEW_BYTES = 1 << 14;

    private final Socket socket = new Socket();
    private InputStream in;

    /** What came back; header names are in small letters. */
    record Answer(int status, Map<String, String> headers, String body) {
    }

    private RawClient(int port, boolean slow) throws IOException {
        if (slow) {
            // So that the server cannot send ahead of who does not read.
            socket.setReceiveBufferSize(FEW_BYTES);
        }
        socket.setSoTimeout(DEADLINE_MS);
        socket.connect(new InetSocketAddress("127.0.0.1", port), DEADLINE_MS);
        in = slow ? socket.getInputStream() : new BufferedInputStream(socket.getInputStream());
    }

    static RawClient to(int port) throws IOException {
        return new RawClient(port, false);
    }

    /** One that takes few bytes at a time. */
    static RawClient slow(int port) throws IOException {
        return new RawClient(port, true);
    }

    static byte[] post(String path, byte[] body, String more) {
        byte[] head = ("POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + more + "Content-Length: "
            + body.length
            + "\r\n\r\n").getBytes(StandardCharsets.ISO_8859_1);
        byte[] all = new byte[head.length + body.length];
        System.arraycopy(head, 0, all, 0, head.length);
        System.arraycopy(body, 0, all, head.length, body.length);
        return all;
    }

    static byte[] post(String path, String body) {
        return post(path, body.getBytes(StandardCharsets.UTF_8), "");
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }

    RawClient send(byte[] bytes) throws IOException {
        socket.getOutputStream().write(bytes);
        return this;
    }

    /** Says that nothing more is sent. */
    RawClient end() throws IOException {
        socket.shutdownOutput();
        return this;
    }

    /** A slow one takes as much as comes from now on. */
    void hurry() throws IOException {
        in = new BufferedInputStream(socket.getInputStream());
    }

    int read() throws IOException {
        return in.read();
    }

    /** Closes so that the other side is told of an error instead of an end. */
    void reset() throws IOException {
        socket.setSoLinger(true, 0);
        socket.close();
    }

    /** The next answer, null where the server closed the connection without one. */
    @Nullable
    Answer answer() throws IOException {
        return answer(false);
    }

    /** @param bare whether it has headers alone, as one to HEAD */
    @Nullable
    Answer answer(boolean bare) throws IOException {
        String first;
        try {
            first = line();
        } catch (EOFException | SocketException e) {
            return null;
        }
        int status = Integer.parseInt(first.split(" ")[1]);
        Map<String, String> headers = new TreeMap<>();
        for (String line = line(); !line.isEmpty(); line = line()) {
            int colon = line.indexOf(':');
            headers.put(line.substring(0, colon).toLowerCase(Locale.ROOT), line.substring(colon + 1).strip());
        }
        return new Answer(status, headers, bare ? "" : body(headers));
    }

    private String body(Map<String, String> headers) throws IOException {
        return "chunked".equals(headers.get("transfer-encoding")) ? chunks()
            : new String(exactly(Integer.parseInt(headers.getOrDefault("content-length", "0"))), StandardCharsets.UTF_8);
    }

    /** A body that comes in chunks (RFC 9112 section 7.1). */
    String chunks() throws IOException {
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        for (int length = Integer.parseInt(line(), 16); length > 0; length = Integer.parseInt(line(), 16)) {
            body.write(exactly(length));
            line();
        }
        line();
        return body.toString(StandardCharsets.UTF_8);
    }

    private byte[] exactly(int length) throws IOException {
        byte[] bytes = in.readNBytes(length);
        if (bytes.length < length) {
            throw new EOFException("the answer ended after " + bytes.length + " of " + length + " bytes");
        }
        return bytes;
    }

    private String line() throws IOException {
        StringBuilder line = new StringBuilder();
        for (int c = in.read(); c != '\n'; c = in.read()) {
            if (c < 0) {
                throw new EOFException("the connection ended in '" + line + "'");
            }
            line.append((char) c);
        }
        return line.toString().stripTrailing();
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
