package io.sails4j.cli;

import static io.sails4j.cli.RawClient.bytes;
import static io.sails4j.cli.RawClient.post;

import io.sails4j.cli.RawClient.Answer;
import java.io.EOFException;
import java.io.IOException;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.util.ArrayList;
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
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Clients of a server, good and bad. Each method is one visit: it ends with what the server must do, or throws an AssertionError. Answers
 * are counted by status, so that they can be held against the server's own counts.
 */
final class SoakClients {
    static final String CHAT = "/v1/chat/completions";
    static final String TEXT = "/v1/completions";
    private static final int KINDS = 24;
    private static final Pattern PLAIN = Pattern.compile("[A-Za-z0-9.,:;!? ]{2,3}");
    private static final int FLOOD = 160;
    private static final int LONG = 80;
    private static final int UNREAD = 600;

    private final int port;
    private final int room;
    private final int patienceMs;
    /** Requests that are answered right, and the text that each got when nothing else was asked. */
    private final List<Asked> good = new ArrayList<>();
    private @Nullable Asked longest;
    private volatile long end;

    final SoakAnswers answers = new SoakAnswers();
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
     * @param room tokens of a request
     * @param patienceMs how long somebody sends a request slowly
     */
    SoakClients(int port, int room, int patienceMs) {
        this.port = port;
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
            // Tokens have a character or few, so that most of these begin in one and end in another.
            Matcher part = PLAIN.matcher(answer);
            if (part.find(answer.length() / 3)) {
                String stop = part.group();
                learn(plain.path,
                    plain.body.replaceFirst("\"max_tokens\"", "\"stop\": [\"" + stop + "\", \"never said\"], \"max_tokens\""));
                SoakAnswers.require(good.getLast().text.equals(answer.substring(0, answer.indexOf(stop))),
                    "with the stop string '" + stop + "' of '" + answer + "' came '" + good.getLast().text + "'");
            }
        }
        SoakAnswers.require(good.size() >= KINDS + 4, "only " + good.size() + " requests, few with a stop string");
        String body = "{\"prompt\": \"tell me all\", \"max_tokens\": " + LONG + ", \"temperature\": 2, \"seed\": 5, \"logprobs\": 20}";
        longest = new Asked(TEXT, body, whole(TEXT, body));
    }

    private void learn(String path, String body) throws IOException, InterruptedException {
        good.add(new Asked(path, body, whole(path, body)));
    }

    static String chat(String text, String more) {
        return "{\"messages\": [{\"role\": \"user\", \"content\": \"" + text + "\"}], " + more + "}";
    }

    private static String streamed(String body) {
        return body.substring(0, body.length() - 1) + ", \"stream\": true}";
    }

    private String whole(String path, String body) throws IOException, InterruptedException {
        while (true) {
            try (RawClient client = RawClient.to(port)) {
                Answer answer = answers.counted(client.send(post(path, body)).answer(), body);
                if (!SoakAnswers.busy(answer, body)) {
                    return SoakAnswers.text(answer, body);
                }
            }
            Thread.sleep(100);
        }
    }

    private static void requireText(Asked asked, String text) {
        SoakAnswers.require(text.equals(asked.text), "the text of " + asked.body + " is '" + text + "', alone it was '" + asked.text + "'");
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
                Answer answer = answers.counted(client.send(post(asked.path, body)).answer(), body);
                if (SoakAnswers.busy(answer, body)) {
                    Thread.sleep(100);
                } else {
                    requireText(asked, pieces ? SoakAnswers.streamedText(answer, body) : SoakAnswers.text(answer, body));
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
                Answer answer = answers.counted(client.answer(), asked.body);
                if (!SoakAnswers.busy(answer, asked.body)) {
                    requireText(asked, SoakAnswers.text(answer, asked.body));
                }
            }
            if (garbage) {
                answers.requireTurnedAway(client, "garbage behind requests");
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
                answers.left.increment();
                client.reset();
                return;
            }
            StringBuilder seen = new StringBuilder();
            for (int i = 0; i < 40; i++) {
                seen.append((char) client.read());
                Thread.sleep(random.nextInt(50));
            }
            boolean right = seen.toString().startsWith("HTTP/1.1 200 ");
            SoakAnswers.require(right || seen.toString().startsWith("HTTP/1.1 429 "), "the slow reader of a stream got '" + seen + "'");
            if (!right) {
                answers.left.increment();
                return;
            }
            client.hurry();
            // What is left of the head; then the stream.
            while (!seen.toString().endsWith("\r\n\r\n")) {
                seen.append((char) client.read());
            }
            Answer answer = answers.counted(new Answer(200, Map.of(), client.chunks()), body);
            requireText(asked, SoakAnswers.streamedText(answer, body));
        }
    }

    /** Asks for more than the system keeps for it, reads nothing, so that the server waits in the middle of an answer, and goes away. */
    void neverReads(SplittableRandom random) throws IOException, InterruptedException {
        answers.left.add(UNREAD);
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
        answers.left.increment();
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
        answers.left.increment();
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
                        Answer answer = answers.counted(client.send(post(asked.path, asked.body)).answer(), asked.body);
                        if (!SoakAnswers.busy(answer, asked.body)) {
                            requireText(asked, SoakAnswers.text(answer, asked.body));
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

    /** Who looks after the server. */
    void looksAfter(SplittableRandom random) throws IOException, InterruptedException {
        try (RawClient client = RawClient.to(port)) {
            for (String path : List.of("/health", "/ready", "/v1/models", "/metrics")) {
                Answer answer = answers.counted(client.send(bytes("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")).answer(), path);
                SoakAnswers.require(answer.status() == 200 && !answer.body().isEmpty(), "the answer to " + path + " is " + answer);
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
