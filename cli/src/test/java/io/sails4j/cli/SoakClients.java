package io.sails4j.cli;

import static io.sails4j.cli.RawClient.bytes;
import static io.sails4j.cli.RawClient.post;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sails4j.cli.RawClient.Answer;
import java.io.EOFException;
import java.io.IOException;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;

/**
 * Clients of a server, good and bad. Each method is one visit: it ends with what the server must do, or throws an AssertionError. Answers
 * are counted by status, so that they can be held against the server's own counts.
 */
final class SoakClients {
    static final String CHAT = "/v1/chat/completions";
    static final String TEXT = "/v1/completions";
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int KINDS = 24;
    private static final int FLOOD = 160;
    private static final int LONG = 80;
    private static final int UNREAD = 600;

    private final int port;
    private final int maxBody;
    private final int room;
    private final int patienceMs;
    /** Requests that are answered right, and the text that each got when nothing else was asked. */
    private final List<Asked> good = new ArrayList<>();
    private @Nullable Asked longest;
    private volatile long end;

    final Map<Integer, LongAdder> answered = new ConcurrentHashMap<>();
    /** Requests whose answer was not waited for: the server may have counted them or not. */
    final LongAdder left = new LongAdder();
    /** What the HTTP layer turned away by itself, before there was a request. */
    final LongAdder turnedAway = new LongAdder();
    /** Clients that sent their request too slowly, by whether the server ended it. */
    final LongAdder slowCut = new LongAdder();
    final LongAdder slowKept = new LongAdder();
    final Map<String, LongAdder> visits = new ConcurrentHashMap<>();

    private record Asked(String path, String body, String text) {
    }

    /** One visit of a client. */
    @FunctionalInterface
    interface Visit {
        void pay(SplittableRandom random) throws IOException, InterruptedException;
    }

    /**
     * Clients of a server.
     *
     * @param maxBody bytes that it takes
     * @param room tokens of a request
     * @param patienceMs how long somebody sends a request slowly
     */
    SoakClients(int port, int maxBody, int room, int patienceMs) {
        this.port = port;
        this.maxBody = maxBody;
        this.room = room;
        this.patienceMs = patienceMs;
    }

    /** Asks every good request alone. */
    void learn() throws IOException, InterruptedException {
        for (int kind = 0; kind < KINDS; kind++) {
            String sampling = "\"max_tokens\": " + (3 + kind % 11) + ", \"temperature\": " + kind % 2 + ", \"seed\": " + kind;
            String text = "may I do it " + "no ".repeat(kind % 7) + kind;
            boolean chat = kind % 3 != 0;
            learn(chat ? CHAT : TEXT, chat ? chat(text, sampling) : "{\"prompt\": \"" + text + "\", " + sampling + "}");
            Asked plain = good.getLast();
            String answer = plain.text;
            if (answer.length() > 4 && answer.chars().allMatch(c -> c > ' ' && c < 127 && c != '"' && c != '\\')) {
                // It begins in one token and ends in another, and the answer ends before it.
                String stop = answer.substring(answer.length() / 2, answer.length() / 2 + 3 - answer.length() % 2);
                learn(plain.path,
                    plain.body.replaceFirst("\"max_tokens\"", "\"stop\": [\"" + stop + "\", \"never said\"], \"max_tokens\""));
                require(good.getLast().text.equals(answer.substring(0, answer.indexOf(stop))),
                    "with the stop string '" + stop + "' of '" + answer + "' came '" + good.getLast().text + "'");
            }
        }
        String body = "{\"prompt\": \"tell me all\", \"max_tokens\": " + LONG + ", \"temperature\": 2, \"seed\": 5, \"logprobs\": 20}";
        longest = new Asked(TEXT, body, whole(TEXT, body));
    }

    private void learn(String path, String body) throws IOException, InterruptedException {
        good.add(new Asked(path, body, whole(path, body)));
    }

    int goodOnes() {
        return good.size();
    }

    private static String chat(String text, String more) {
        return "{\"messages\": [{\"role\": \"user\", \"content\": \"" + text + "\"}], " + more + "}";
    }

    private static String streamed(String body) {
        return body.substring(0, body.length() - 1) + ", \"stream\": true}";
    }

    private static void require(boolean holds, String sentence) {
        if (!holds) {
            throw new AssertionError(sentence);
        }
    }

    /** An answer that must be there. */
    private Answer counted(@Nullable Answer answer, String to) {
        require(answer != null, "the server closed the connection without an answer to " + to);
        answered.computeIfAbsent(answer.status(), _ -> new LongAdder()).increment();
        return answer;
    }

    private static JsonNode json(Answer answer, String to) {
        try {
            return JSON.readTree(answer.body());
        } catch (IOException e) {
            throw new AssertionError("no JSON is the answer to " + to + ": " + answer, e);
        }
    }

    /** Must be a refusal with one sentence in the form of the interface. */
    private static void requireSentence(Answer answer, String to, int... statuses) {
        boolean expected = false;
        for (int status : statuses) {
            expected |= status == answer.status();
        }
        JsonNode error = json(answer, to).path("error");
        String message = error.path("message").asText();
        require(expected && !message.isBlank() && message.indexOf('\n') < 0 && !message.contains("Exception")
            && error.path("type").isTextual() && error.path("code").isTextual(), "the answer to " + to + " is " + answer);
    }

    private boolean busy(Answer answer, String to) {
        if (answer.status() != 429) {
            return false;
        }
        requireSentence(answer, to, 429);
        require(answer.body().contains("requests wait already, as many as may; try again later") && "1".equals(answer.headers().get(
            "retry-after")), "the answer of a full queue is " + answer);
        return true;
    }

    private static String text(Answer answer, String to) {
        require(answer.status() == 200, "the answer to " + to + " is " + answer);
        JsonNode choice = json(answer, to).at("/choices/0");
        return choice.has("text") ? choice.path("text").asText() : choice.at("/message/content").asText();
    }

    private static String streamedText(Answer answer, String to) {
        require(answer.status() == 200, "the answer to " + to + " is " + answer);
        List<String> lines = answer.body().lines().filter(line -> !line.isEmpty()).toList();
        require(lines.getLast().equals("data: [DONE]"), "the stream of " + to + " ends with " + lines.getLast());
        StringBuilder text = new StringBuilder();
        for (String line : lines.subList(0, lines.size() - 1)) {
            require(line.startsWith("data: {"), "the stream of " + to + " has the line " + line);
            JsonNode event = json(new Answer(200, Map.of(), line.substring("data: ".length())), to);
            require(!event.has("error"), "the stream of " + to + " has " + event);
            JsonNode choice = event.at("/choices/0");
            text.append(choice.has("text") ? choice.path("text").asText() : choice.at("/delta/content").asText());
        }
        return text.toString();
    }

    private String whole(String path, String body) throws IOException, InterruptedException {
        while (true) {
            try (RawClient client = RawClient.to(port)) {
                Answer answer = counted(client.send(post(path, body)).answer(), body);
                if (!busy(answer, body)) {
                    return text(answer, body);
                }
            }
            Thread.sleep(100);
        }
    }

    private static void requireText(Asked asked, String text) {
        require(text.equals(asked.text), "the text of " + asked.body + " is '" + text + "', alone it was '" + asked.text + "'");
    }

    private Asked any(SplittableRandom random) {
        return good.get(random.nextInt(good.size()));
    }

    /** Several requests on one connection, whole and in pieces. */
    void good(SplittableRandom random) throws IOException, InterruptedException {
        try (RawClient client = RawClient.to(port)) {
            for (int i = random.nextInt(1, 6); i > 0; i--) {
                Asked asked = any(random);
                boolean pieces = random.nextBoolean();
                String body = pieces ? streamed(asked.body) : asked.body;
                Answer answer = counted(client.send(post(asked.path, body)).answer(), body);
                if (busy(answer, body)) {
                    Thread.sleep(100);
                } else {
                    requireText(asked, pieces ? streamedText(answer, body) : text(answer, body));
                }
            }
        }
    }

    /** Two requests are sent before the first answer is read; behind them may be what is none. */
    void pipelined(SplittableRandom random) throws IOException {
        try (RawClient client = RawClient.to(port)) {
            List<Asked> both = List.of(any(random), any(random));
            for (Asked asked : both) {
                client.send(post(asked.path, asked.body));
            }
            boolean garbage = random.nextBoolean();
            if (garbage) {
                client.send(bytes("this is no request\r\n\r\n\u0000\u00ff"));
            }
            for (Asked asked : both) {
                Answer answer = counted(client.answer(), asked.body);
                if (!busy(answer, asked.body)) {
                    requireText(asked, text(answer, asked.body));
                }
            }
            if (garbage) {
                requireTurnedAway(client, "garbage behind requests");
            }
        }
    }

    /** Reads a byte now and then, and in the end all; or goes away without. */
    void slowReader(SplittableRandom random) throws IOException, InterruptedException {
        Asked asked = Objects.requireNonNull(longest);
        String body = streamed(asked.body);
        try (RawClient client = RawClient.slow(port)) {
            client.send(post(asked.path, body));
            if (random.nextInt(4) == 0) {
                Thread.sleep(random.nextInt(100, 3000));
                left.increment();
                client.reset();
                return;
            }
            StringBuilder seen = new StringBuilder();
            for (int i = 0; i < 40; i++) {
                seen.append((char) client.read());
                Thread.sleep(random.nextInt(50));
            }
            boolean right = seen.toString().startsWith("HTTP/1.1 200 ");
            require(right || seen.toString().startsWith("HTTP/1.1 429 "), "the slow reader of a stream got '" + seen + "'");
            if (!right) {
                left.increment();
                return;
            }
            client.hurry();
            // What is left of the head; then the stream.
            while (!seen.toString().endsWith("\r\n\r\n")) {
                seen.append((char) client.read());
            }
            Answer answer = counted(new Answer(200, Map.of(), client.chunks()), body);
            requireText(asked, streamedText(answer, body));
        }
    }

    /** Asks for more than the system keeps for it, reads nothing, so that the server waits in the middle of an answer, and goes away. */
    void neverReads(SplittableRandom random) throws IOException, InterruptedException {
        left.add(UNREAD);
        try (RawClient client = RawClient.slow(port)) {
            client.send(bytes("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(UNREAD)));
            Thread.sleep(random.nextInt(1000, 4000));
            if (random.nextBoolean()) {
                client.reset();
            }
        }
    }

    /** Goes away in the middle of a request, by an end or an error. */
    void cutRequest(SplittableRandom random) throws IOException, InterruptedException {
        Asked asked = any(random);
        byte[] all = post(asked.path, asked.body);
        byte[] part = new byte[random.nextInt(1, all.length)];
        System.arraycopy(all, 0, part, 0, part.length);
        left.increment();
        try (RawClient client = RawClient.to(port)) {
            client.send(part);
            if (random.nextBoolean()) {
                client.reset();
            }
        }
        Thread.sleep(random.nextInt(40));
    }

    /** Goes away in the middle of an answer, whole or in pieces. */
    void cutAnswer(SplittableRandom random) throws IOException, InterruptedException {
        boolean pieces = random.nextInt(4) > 0;
        String body = "{\"prompt\": \"x\", \"max_tokens\": " + (room - 50) + ", \"temperature\": 2}";
        left.increment();
        try (RawClient client = RawClient.to(port)) {
            client.send(post(TEXT, pieces ? streamed(body) : body));
            if (pieces) {
                // Fewer bytes than a refusal has: there need not be more.
                for (int i = random.nextInt(200); i > 0 && client.read() >= 0; i--) {
                    // Until there.
                }
            }
            Thread.sleep(random.nextInt(100));
            if (random.nextBoolean()) {
                client.reset();
            }
        }
    }

    /** Sends a head byte by byte and never its end. */
    void slowHead(SplittableRandom random) throws IOException, InterruptedException {
        long patience = System.nanoTime() + patienceMs * 1_000_000L;
        try (RawClient client = RawClient.to(port)) {
            client.send(bytes(random.nextBoolean() ? "POST " + TEXT + " HTTP/1.1\r\nX: " : "GET /"));
            while (System.nanoTime() < patience) {
                if (System.nanoTime() > end) {
                    return;
                }
                client.send(bytes("a"));
                Thread.sleep(random.nextInt(200, 1000));
            }
            slowKept.increment();
        } catch (SocketException e) {
            slowCut.increment();
        }
    }

    /** Many at once, more than may wait. */
    void flood(SplittableRandom random) throws IOException, InterruptedException {
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<?>> all = new ArrayList<>();
            for (int i = 0; i < FLOOD; i++) {
                Asked asked = any(random);
                all.add(threads.submit(() -> {
                    try (RawClient client = RawClient.to(port)) {
                        Answer answer = counted(client.send(post(asked.path, asked.body)).answer(), asked.body);
                        if (!busy(answer, asked.body)) {
                            requireText(asked, text(answer, asked.body));
                        }
                    }
                    return null;
                }));
            }
            for (Future<?> one : all) {
                try {
                    one.get();
                } catch (ExecutionException e) {
                    throw new AssertionError("one of " + FLOOD + " clients at once: " + e.getCause(), e.getCause());
                }
            }
        }
        Thread.sleep(random.nextInt(2000));
    }

    private void refused(byte[] request, String what, int... statuses) throws IOException {
        try (RawClient client = RawClient.to(port)) {
            requireSentence(counted(client.send(request).answer(), what), what, statuses);
        }
    }

    /** What the HTTP layer does not take for a request, or for a path: closed, or an answer of its own and closed. */
    private void requireTurnedAway(RawClient client, String what) throws IOException {
        try {
            Answer answer = client.answer();
            require(answer == null || answer.status() == 400 || answer.status() == 404, "the answer to " + what + " is " + answer);
            require(answer == null || client.answer() == null, "the connection is open after " + what);
        } catch (SocketException e) {
            // It was closed before all was read: then the rest of an answer is lost.
        }
        turnedAway.increment();
    }

    private void turnedAway(byte[] request, String what) throws IOException {
        try (RawClient client = RawClient.to(port)) {
            try {
                client.send(request).end();
            } catch (SocketException e) {
                // It need not wait for the rest.
                turnedAway.increment();
                return;
            }
            requireTurnedAway(client, what);
        }
    }

    /** Requests that are HTTP, and wrong. */
    void wrong(SplittableRandom random) throws IOException, InterruptedException {
        Thread.sleep(random.nextInt(20));
        String fits = "\"max_tokens\": 2, \"temperature\": 0";
        switch (random.nextInt(17)) {
            case 0 -> refused(post(CHAT, "{\"messages\": [}"), "JSON that breaks off", 400);
            case 1 -> refused(post(CHAT, chat("a", fits) + "}{"), "JSON with a rest", 400);
            case 2 -> refused(post(TEXT, new byte[] {'{', '"', (byte) 0xc3, (byte) 0x28, '"', '}'}, ""), "wrong UTF-8", 400);
            case 3 -> refused(post(TEXT, ""), "an empty body", 400);
            case 4 -> refused(post(TEXT, "[".repeat(20_000)), "deep JSON", 400);
            case 5 -> refused(post(TEXT, "{\"prompt\": \"" + "a ".repeat(room + random.nextInt(100)) + "\"}"), "a long prompt", 400);
            case 6 -> refused(post(TEXT, "{\"prompt\": \"a\", \"max_tokens\": " + room + "}"), "a long answer", 400);
            case 7 -> refused(post(CHAT, chat("a", "\"colour\": 1")), "a field that nobody knows", 400);
            case 8 -> refused(post(CHAT, chat("a", "\"stop\": [\"\"]")), "an empty stop string", 400);
            case 9 -> refused(post(CHAT, chat("a", "\"model\": \"\\ud800\"")), "a model that is half a character", 404);
            case 10 -> refused(bytes("GET /v1/%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n"), "wrong UTF-8 in the path", 404);
            case 11 -> refused(bytes("GET /v1/nothing/\u00c3\u0028?q HTTP/1.1\r\nHost: x\r\n\r\n"), "raw bytes in the path", 404);
            case 12 -> refused(bytes("BREW " + TEXT + " HTTP/1.1\r\nHost: x\r\n\r\n"), "a method that nobody knows", 405);
            case 13 -> refused(post("/v1/models", "{}"), "POST of what is read", 405);
            case 14 -> refused(post("/" + "a".repeat(random.nextInt(5000)), "{}"), "a path that nobody knows", 404);
            case 15 -> refused(bytes("POST " + TEXT + " HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}"),
                "a body of another type", 415);
            default -> {
                byte[] request = bytes("HEAD /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n");
                try (RawClient client = RawClient.to(port)) {
                    for (int i = 0; i < 2; i++) {
                        require(counted(client.send(request).answer(true), "HEAD").status() == 404, "HEAD of nothing is not 404");
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
            refused(post(TEXT, body, ""), "a body of " + body.length + " bytes", 413);
            return;
        }
        String head = "POST " + TEXT + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        try (RawClient client = RawClient.to(port)) {
            client.send(bytes(head + Integer.toHexString(body.length) + "\r\n")).send(body).send(bytes("\r\n0\r\n\r\n"));
            requireSentence(counted(client.answer(), "a chunked body"), "a chunked body of " + body.length + " bytes", 413);
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
        String head = "POST " + TEXT + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
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
                    requireSentence(counted(client.answer(), "a short length"), "a length that is too short", 400);
                    requireTurnedAway(client, "the rest of a body");
                }
            }
            default -> {
                left.increment();
                try (RawClient client = RawClient.to(port)) {
                    client.send(bytes(head + "Content-Length: " + (body.length() + 9) + "\r\n\r\n" + body)).end();
                    Answer answer = client.answer();
                    require(answer == null || answer.status() == 400, "the answer to a length that is too long is " + answer);
                }
            }
        }
    }

    /** Who looks after the server. */
    void looksAfter(SplittableRandom random) throws IOException, InterruptedException {
        try (RawClient client = RawClient.to(port)) {
            for (String path : List.of("/health", "/ready", "/v1/models", "/metrics")) {
                Answer answer = counted(client.send(bytes("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")).answer(), path);
                require(answer.status() == 200 && !answer.body().isEmpty(), "the answer to " + path + " is " + answer);
            }
        }
        Thread.sleep(random.nextInt(500));
    }

    /** Every good request once, one at a time. */
    void requireRight() throws IOException, InterruptedException {
        for (Asked asked : good) {
            requireText(asked, whole(asked.path, asked.body));
        }
    }

    /** Fills the memory of keys and values, so that it has its whole size from then on. */
    void fill(int requests) throws InterruptedException {
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int i = 0; i < requests; i++) {
                int number = i;
                threads.submit(() -> whole(TEXT, "{\"prompt\": \"" + number + "z".repeat(room / 2) + "\", \"temperature\": 2}"));
            }
        }
    }

    /** The server's own count of requests, by status. */
    Map<Integer, Long> countedByServer() throws IOException {
        Map<Integer, Long> counts = new ConcurrentHashMap<>();
        try (RawClient client = RawClient.to(port)) {
            // This one is counted when it has been answered.
            String text = Objects.requireNonNull(client.send(bytes("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")).answer()).body();
            text.lines().filter(line -> line.startsWith("sails_http_requests_total{")).forEach(line -> {
                int status = Integer.parseInt(line.replaceAll(".*status=\"([0-9]+)\".*", "$1"));
                counts.merge(status, (long) Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1)), Long::sum);
            });
        }
        return counts;
    }

    /** When clients have been there for long enough, as of System.nanoTime. */
    void endAt(long moment) {
        end = moment;
    }

    /** A client that comes again until the end, each visit counted by its name; what it throws is told. */
    void goOn(String name, Visit visit, SplittableRandom random, List<String> faults) {
        while (System.nanoTime() < end && faults.size() < 20) {
            try {
                visit.pay(random);
                visits.computeIfAbsent(name, _ -> new LongAdder()).increment();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            } catch (AssertionError | RuntimeException | SocketTimeoutException | EOFException e) {
                faults.add(name + ": " + e);
            } catch (IOException e) {
                faults.add(name + ": the connection failed: " + e + " at " + e.getStackTrace()[0]);
            }
        }
    }
}
