package io.sails4j.judge;

import io.sails4j.InputException;
import io.sails4j.http.HttpAnswers;
import io.sails4j.http.Patience;
import io.sails4j.http.Waiting;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.UncheckedIOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Asks a server of OpenAI's chat completions, and asks again where it is busy or a connection breaks. Threads may share it: what one of
 * them learns of the server's limits and of the fields that it takes holds for all.
 */
final class ChatClient implements AutoCloseable {
    private static final int MAX_ANSWER_BYTES = 1 << 20;

    private final EndpointServer server;
    private final EndpointOptions options;
    private final Patience patience;
    private final Waiting waiting;
    private final Consumer<String> notes;
    private final ServerAnswer answers;
    private final AtomicReference<Dialect> dialect = new AtomicReference<>(Dialect.full());
    /** No request is sent before it: the server has asked to wait. */
    private final AtomicReference<Instant> notBefore = new AtomicReference<>(Instant.MIN);
    /** Answers so far: while they come, a limit of the rate is no failure. */
    private final AtomicLong answered = new AtomicLong();
    private final Set<String> said = ConcurrentHashMap.newKeySet();
    // Version 1.1: with an offer of HTTP/2 in the clear, some Python servers lose the request's body.
    private final HttpClient http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1)
        .followRedirects(HttpClient.Redirect.NEVER).connectTimeout(Duration.ofSeconds(20)).build();

    /** @param notes gets a sentence for what a person should know, each once */
    ChatClient(EndpointServer server, EndpointOptions options, Waiting waiting, Consumer<String> notes) {
        this.server = server;
        this.options = options;
        this.patience = new Patience(options.tries(), Duration.ofSeconds(1), Duration.ofMinutes(10), options.timeout());
        this.waiting = waiting;
        this.notes = notes;
        this.answers = new ServerAnswer(server);
    }

    /**
     * Asks until there is an answer.
     *
     * @param jitterSeed makes the waits between tries differ between questions, and not between runs
     * @throws InputException where asking again cannot help
     * @throws UncheckedIOException where the server gave no answer in all tries
     */
    ChatOutcome ask(String message, long jitterSeed) {
        SplittableRandom jitter = new SplittableRandom(options.seed() * 31 + jitterSeed);
        Dialect first = dialect.get();
        Dialect spoken = first;
        long before = answered.get();
        for (int failures = 0;;) {
            waitForAll();
            switch (tried(message, spoken)) {
                case ServerAnswer.Done done -> {
                    settle(first, spoken);
                    return done.outcome();
                }
                case ServerAnswer.Otherwise otherwise -> spoken = otherwise.dialect();
                case ServerAnswer.Later later -> {
                    if (later.rateLimit() && answered.get() > before) {
                        failures = 0;
                        before = answered.get();
                    }
                    pause(failures++, later, jitter.nextDouble());
                }
            }
        }
    }

    private ServerAnswer.Next tried(String message, Dialect spoken) {
        HttpResponse<byte[]> answer;
        try {
            answer = send(spoken.request(server, options, message).toString().getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            if (answered.get() == 0 && e instanceof ConnectException) {
                throw failed("cannot reach " + server.requests() + ": " + HttpAnswers.reason(e) + "; is the server running?", e);
            }
            return new ServerAnswer.Later(Duration.ZERO, HttpAnswers.reason(e), false);
        }
        return answers.read(answer, spoken, waiting.now());
    }

    /** What worked is spoken from now on; how it differs from what was meant is said once. */
    private void settle(Dialect first, Dialect spoken) {
        answered.incrementAndGet();
        if (!spoken.equals(first) && dialect.compareAndSet(first, spoken)) {
            sayOnce("dialect", server.requests() + " does not take all fields of a request: " + String.join("; ", spoken.differences()));
        }
    }

    private void pause(int failures, ServerAnswer.Later later, double jitter) {
        String why = server.requests() + ": " + later.why();
        if (failures + 1 >= patience.tries()) {
            throw failed(why + "; this was try " + (failures + 1) + " of " + patience.tries() + ", run this again later", null);
        }
        if (later.asked().compareTo(patience.longestWait()) > 0) {
            throw failed(why + " and asks to wait " + later.asked().toSeconds() + " s; run this again then", null);
        }
        Duration own = shorter(patience.waitAfter(failures, jitter), patience.longestWait());
        Duration wait = own.compareTo(later.asked()) > 0 ? own : later.asked();
        // The same with another number, of seconds or of tokens, is no news.
        sayOnce(later.why().replaceAll("[0-9.]+", "0"), why + "; it is asked again after a while, and so each time (this is said once)");
        if (later.rateLimit()) {
            Instant end = waiting.now().plus(wait);
            notBefore.accumulateAndGet(end, (a, b) -> a.isAfter(b) ? a : b);
        }
        pause(wait);
    }

    private static Duration shorter(Duration a, Duration b) {
        return a.compareTo(b) < 0 ? a : b;
    }

    private void waitForAll() {
        for (Instant end = notBefore.get(); end.isAfter(waiting.now()); end = notBefore.get()) {
            pause(Duration.between(waiting.now(), end));
        }
    }

    private void pause(Duration wait) {
        try {
            if (wait.isPositive()) {
                waiting.pause(wait);
            }
        } catch (InterruptedException e) {
            throw interrupted();
        }
    }

    private void sayOnce(String kind, String sentence) {
        if (said.add(kind)) {
            notes.accept(sentence);
        }
    }

    /** The whole answer within the time of one request: a server that sends a byte now and then does not hold it up. */
    private HttpResponse<byte[]> send(byte[] body) throws IOException {
        URI address = server.requests();
        HttpRequest.Builder request = HttpRequest.newBuilder(address).POST(HttpRequest.BodyPublishers.ofByteArray(body))
            .header("User-Agent", "sails4j").header("Content-Type", "application/json").header("Accept", "application/json");
        if (server.token().value() != null) {
            request.header("Authorization", "Bearer " + server.token().value());
        }
        CompletableFuture<HttpResponse<byte[]>> sent = http.sendAsync(request.build(),
            HttpResponse.BodyHandlers.limiting(HttpResponse.BodyHandlers.ofByteArray(), MAX_ANSWER_BYTES));
        try {
            return sent.get(options.timeout().toNanos(), TimeUnit.NANOSECONDS);
        } catch (TimeoutException e) {
            sent.cancel(true);
            throw new HttpTimeoutException("no whole answer within " + options.timeout().toMillis() / 1e3 + " s (timeout)");
        } catch (ExecutionException e) {
            if (e.getCause() instanceof IOException io) {
                throw io;
            }
            throw new IllegalStateException("the request to " + address + " failed", e.getCause());
        } catch (InterruptedException e) {
            sent.cancel(true);
            throw interrupted();
        }
    }

    private RuntimeException interrupted() {
        Thread.currentThread().interrupt();
        return failed("the judging by " + server.requests() + " was interrupted", new InterruptedIOException());
    }

    private static UncheckedIOException failed(String sentence, @Nullable IOException cause) {
        return new UncheckedIOException(sentence, cause == null ? new IOException("judging") : cause);
    }

    @Override
    public void close() {
        http.shutdownNow();
        http.close();
    }
}
