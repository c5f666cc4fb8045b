package io.sails4j.cli;

import static io.sails4j.cli.RawClient.bytes;
import static io.sails4j.cli.RawClient.post;

import io.sails4j.cli.RawClient.Answer;
import java.io.IOException;
import java.net.SocketException;
import java.util.Arrays;
import java.util.SplittableRandom;

/** Requests that a server must refuse. Each of the methods is one visit, see {@link SoakClients}. */
final class WrongRequests {
    private final int port;
    private final int maxBody;
    private final int room;
    private final SoakAnswers answers;

    WrongRequests(int port, int maxBody, int room, SoakAnswers answers) {
        this.port = port;
        this.maxBody = maxBody;
        this.room = room;
        this.answers = answers;
    }

    private void refused(byte[] request, String what, int status) throws IOException {
        try (RawClient client = RawClient.to(port)) {
            SoakAnswers.requireSentence(answers.counted(client.send(request).answer(), what), what, status);
        }
    }

    private void turnedAway(byte[] request, String what) throws IOException {
        try (RawClient client = RawClient.to(port)) {
            try {
                client.send(request).end();
            } catch (SocketException e) {
                // It need not wait for the rest.
                answers.turnedAway.increment();
                return;
            }
            answers.requireTurnedAway(client, what);
        }
    }

    /** Requests that are HTTP, and wrong. */
    void wrong(SplittableRandom random) throws IOException, InterruptedException {
        Thread.sleep(random.nextInt(20));
        String fits = "\"max_tokens\": 2, \"temperature\": 0";
        switch (random.nextInt(17)) {
            case 0 -> refused(post(SoakClients.CHAT, "{\"messages\": [}"), "JSON that breaks off", 400);
            case 1 -> refused(post(SoakClients.CHAT, SoakClients.chat("a", fits) + "}{"), "JSON with a rest", 400);
            case 2 -> refused(post(SoakClients.TEXT, new byte[] {'{', '"', (byte) 0xc3, (byte) 0x28, '"', '}'}, ""), "wrong UTF-8", 400);
            case 3 -> refused(post(SoakClients.TEXT, ""), "an empty body", 400);
            case 4 -> refused(post(SoakClients.TEXT, "[".repeat(20_000)), "deep JSON", 400);
            case 5 ->
                refused(post(SoakClients.TEXT, "{\"prompt\": \"" + "a ".repeat(room + random.nextInt(100)) + "\"}"), "a long prompt", 400);
            case 6 -> refused(post(SoakClients.TEXT, "{\"prompt\": \"a\", \"max_tokens\": " + room + "}"), "a long answer", 400);
            case 7 -> refused(post(SoakClients.CHAT, SoakClients.chat("a", "\"colour\": 1")), "a field that nobody knows", 400);
            case 8 -> refused(post(SoakClients.CHAT, SoakClients.chat("a", "\"stop\": [\"\"]")), "an empty stop string", 400);
            case 9 ->
                refused(post(SoakClients.CHAT, SoakClients.chat("a", "\"model\": \"\\ud800\"")), "a model that is half a character", 404);
            case 10 -> refused(bytes("GET /v1/%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n"), "wrong UTF-8 in the path", 404);
            case 11 -> refused(bytes("GET /v1/nothing/\u00c3\u0028?q HTTP/1.1\r\nHost: x\r\n\r\n"), "raw bytes in the path", 404);
            case 12 -> refused(bytes("BREW " + SoakClients.TEXT + " HTTP/1.1\r\nHost: x\r\n\r\n"), "a method that nobody knows", 405);
            case 13 -> refused(post("/v1/models", "{}"), "POST of what is read", 405);
            case 14 -> refused(post("/" + "a".repeat(random.nextInt(5000)), "{}"), "a path that nobody knows", 404);
            case 15 -> refused(
                bytes("POST " + SoakClients.TEXT + " HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}"),
                "a body of another type", 415);
            default -> {
                byte[] request = bytes("HEAD /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n");
                try (RawClient client = RawClient.to(port)) {
                    for (int i = 0; i < 2; i++) {
                        SoakAnswers.require(answers.counted(client.send(request).answer(true), "HEAD").status() == 404,
                            "HEAD of nothing is not 404");
                    }
                }
            }
        }
    }

    /** Bodies over the limit, with a length and without; the answer must come, though the client sends on. */
    void huge(SplittableRandom random) throws IOException, InterruptedException {
        Thread.sleep(random.nextInt(200));
        byte[] body = new byte[maxBody + 1 + random.nextInt(40 * maxBody)];
        Arrays.fill(body, (byte) ' ');
        if (random.nextBoolean()) {
            refused(post(SoakClients.TEXT, body, ""), "a body of " + body.length + " bytes", 413);
            return;
        }
        String head = "POST " + SoakClients.TEXT
            + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        try (RawClient client = RawClient.to(port)) {
            client.send(bytes(head + Integer.toHexString(body.length) + "\r\n")).send(body).send(bytes("\r\n0\r\n\r\n"));
            SoakAnswers.requireSentence(answers.counted(client.answer(), "a chunked body"), "a chunked body of " + body.length + " bytes",
                413);
        }
    }

    private static String manyHeaders() {
        StringBuilder headers = new StringBuilder();
        for (int i = 0; i < 3000; i++) {
            headers.append('X').append(i).append(": y\r\n");
        }
        return headers.toString();
    }

    /** What is no HTTP, or lies about its length. */
    void noHttp(SplittableRandom random) throws IOException, InterruptedException {
        Thread.sleep(random.nextInt(40));
        String head = "POST " + SoakClients.TEXT + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
        String body = "{\"prompt\": \"a\", \"max_tokens\": 2}";
        switch (random.nextInt(11)) {
            case 0 -> {
                byte[] noise = new byte[random.nextInt(1, 20_000)];
                random.nextBytes(noise);
                turnedAway(noise, "noise");
            }
            case 1 -> turnedAway(bytes("\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003"), "a client of TLS");
            case 2 -> turnedAway(bytes("GET\r\n\r\n"), "a line without a path");
            case 3 -> turnedAway(bytes("GET http://[ HTTP/1.1\r\n\r\n"), "an address that is none");
            case 4 -> turnedAway(bytes(head + "Content-Length: -5\r\n\r\n" + body), "a length below 0");
            case 5 -> turnedAway(bytes(head + "Content-Length: many\r\n\r\n" + body), "a length that is no number");
            case 6 -> turnedAway(bytes(head + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + body), "two lengths");
            case 7 -> turnedAway(bytes("GET /health HTTP/1.1\r\n" + manyHeaders() + "\r\n"), "many headers");
            case 8 -> turnedAway(bytes("GET /health HTTP/1.1\r\nX: " + "y".repeat(600_000) + "\r\n\r\n"), "a long header");
            case 9 -> {
                // The rest of the body is the next request's beginning, which is none.
                try (RawClient client = RawClient.to(port)) {
                    client.send(bytes(head + "Content-Length: 9\r\n\r\n" + body)).end();
                    SoakAnswers.requireSentence(answers.counted(client.answer(), "a short length"), "a length that is too short", 400);
                    answers.requireTurnedAway(client, "the rest of a body");
                }
            }
            default -> {
                answers.left.increment();
                try (RawClient client = RawClient.to(port)) {
                    client.send(bytes(head + "Content-Length: " + (body.length() + 9) + "\r\n\r\n" + body)).end();
                    Answer answer = client.answer();
                    SoakAnswers.require(answer == null || answer.status() == 400, "the answer to a length that is too long is " + answer);
                }
            }
        }
    }
}
