package io.sails4j.serve;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.sails4j.InputException;
import io.sails4j.http.HttpAnswers;
import io.sails4j.monitor.MonitorEvent;
import io.sails4j.serving.Ending;
import io.sails4j.serving.Finish;
import io.sails4j.serving.TextAnswer;
import io.sails4j.serving.TextService;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A {@link TextService} over HTTP: {@code /v1/chat/completions}, {@code /v1/completions} and {@code /v1/models} of OpenAI's interface,
 * {@code /health}, {@code /ready} and {@code /metrics}. Each request has a virtual thread. It logs a line a request, without texts.
 */
public final class TextServer implements AutoCloseable {
    private static final System.Logger LOG = System.getLogger("io.sails4j.serve");
    private static final int BACKLOG = 128;

    private final TextService service;
    private final ServeOptions options;
    private final @Nullable String apiKey;
    private final ServeMetrics metrics;
    private final long created = Instant.now().getEpochSecond();
    private final HttpServer http;
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private volatile boolean ending;

    private TextServer(TextService service, ServeOptions options, @Nullable String apiKey, HttpServer http) {
        this.service = service;
        this.options = options;
        this.apiKey = apiKey;
        this.metrics = new ServeMetrics(service.scheduler());
        this.http = http;
    }

    /**
     * Listens from now on. The service stays the caller's to close, after the server.
     *
     * @param apiKey that clients must send, null for none
     * @throws InputException where nobody can listen at that address
     */
    public static TextServer start(TextService service, ServeOptions options, @Nullable String apiKey) {
        HttpServer http;
        try {
            http = HttpServer.create(new InetSocketAddress(InetAddress.getByName(options.host()), options.port()), BACKLOG);
        } catch (UnknownHostException e) {
            throw new InputException("host is " + options.host() + ", which is no address that this machine knows", e);
        } catch (IOException e) {
            throw new InputException("the server cannot listen at " + options.host() + ", port " + options.port() + ": " + e.getMessage()
                + "; another port may be free", e);
        }
        TextServer server = new TextServer(service, options, apiKey, http);
        http.createContext("/", server::handle);
        http.setExecutor(server.threads);
        http.start();
        return server;
    }

    /** Where it listens. */
    public InetSocketAddress address() {
        return http.getAddress();
    }

    /** @throws IOException where the client is gone: the HTTP server forgets a connection that breaks only where it is told so */
    private void handle(HttpExchange httpExchange) throws IOException {
        Exchange exchange = new Exchange(httpExchange);
        String path = known(exchange.path());
        try {
            try {
                route(exchange);
            } catch (RuntimeException | Error | InterruptedException e) {
                HttpFailure failure = HttpFailure.of(e);
                if (failure.status() == 500) {
                    LOG.log(System.Logger.Level.ERROR, "request of " + path + " failed", e);
                }
                if (exchange.status() == 0) {
                    exchange.fail(failure);
                }
            }
        } catch (IOException e) {
            LOG.log(System.Logger.Level.DEBUG, "the client of " + path + " is gone: " + e.getMessage());
            throw e;
        } finally {
            exchange.close();
            metrics.replied(path, exchange.status());
        }
    }

    /** Paths by which requests are counted: clients must not be able to make ever more of them. */
    private static String known(String path) {
        return switch (path) {
            case "/v1/chat/completions", "/v1/completions", "/v1/models", "/health", "/ready", "/metrics" -> path;
            default -> path.startsWith("/v1/models/") ? "/v1/models/" : "other";
        };
    }

    private void route(Exchange exchange) throws IOException, InterruptedException {
        switch (exchange.path()) {
            case "/health" -> exchange.reply(200, "text/plain; charset=utf-8", "ok\n");
            case "/ready" -> exchange.reply(ending ? 503 : 200, "text/plain; charset=utf-8", ending ? "ending\n" : "ready\n");
            case "/metrics" -> {
                exchange.requireKey(apiKey);
                exchange.requireMethod("GET");
                exchange.reply(200, "text/plain; version=0.0.4; charset=utf-8", metrics.text());
            }
            case "/v1/models" -> {
                exchange.requireKey(apiKey);
                exchange.requireMethod("GET");
                ObjectNode root = JsonNodeFactory.instance.objectNode().put("object", "list");
                ArrayNode data = root.putArray("data");
                service.names().forEach(name -> data.add(model(name)));
                exchange.reply(200, root);
            }
            case "/v1/chat/completions" -> answer(exchange, true);
            case "/v1/completions" -> answer(exchange, false);
            default -> oneModel(exchange);
        }
    }

    private void oneModel(Exchange exchange) throws IOException {
        exchange.requireKey(apiKey);
        String name = exchange.path().startsWith("/v1/models/") ? exchange.path().substring("/v1/models/".length()) : "";
        if (!service.names().contains(name)) {
            throw name.isEmpty() ? new HttpFailure(404, "not_found", null, "there is nothing at " + HttpAnswers.shown(exchange.path()))
                : noModel(name, "not_found", null);
        }
        exchange.requireMethod("GET");
        exchange.reply(200, model(name));
    }

    private HttpFailure noModel(String name, String code, @Nullable String parameter) {
        return new HttpFailure(404, code, parameter, "there is no model '" + HttpAnswers.shown(name) + "', expected one of "
            + String.join(", ", service.names()));
    }

    private ObjectNode model(String name) {
        return JsonNodeFactory.instance.objectNode().put("id", name).put("object", "model").put("created", created)
            .put("owned_by", "sails4j");
    }

    private void answer(Exchange exchange, boolean chat) throws IOException, InterruptedException {
        exchange.requireKey(apiKey);
        exchange.requireMethod("POST");
        JsonNode body = exchange.json(options.maxBodyKib() << 10);
        Duration limit = Duration.ofSeconds(options.timeLimitS());
        AskedText asked = chat ? AskedText.chat(body, limit) : AskedText.continuation(body, limit);
        if (!asked.request().model().isEmpty() && !service.names().contains(asked.request().model())) {
            throw noModel(asked.request().model(), "model_not_found", "model");
        }
        TextAnswer answer = service.submit(asked.request());
        Replies replies = new Replies(chat, (chat ? "chatcmpl-" : "cmpl-") + UUID.randomUUID(), asked.request().model().isEmpty()
            ? service.names().getFirst() : asked.request().model(), Instant.now().getEpochSecond());
        try {
            if (asked.stream()) {
                stream(exchange, answer, replies, asked.usage());
            } else {
                String text = answer.text();
                Ending how = requireAnswer(answer.ending());
                exchange.reply(200, replies.whole(answer, text, how));
            }
        } finally {
            // A client that is gone does not want the rest.
            answer.cancel();
            finished(exchange, answer, replies);
        }
    }

    /** An answer that broke is an error, and no short answer. */
    private static Ending requireAnswer(Ending how) {
        if (how.finish() == Finish.FAILED) {
            LOG.log(System.Logger.Level.ERROR, "an answer failed", how.failure());
            throw HttpFailure.of(new IllegalStateException(how.failure()));
        }
        if (how.finish() == Finish.CLOSED) {
            throw new HttpFailure(503, "ending", null, "the server ended before the answer did");
        }
        return how;
    }

    private void stream(Exchange exchange, TextAnswer answer, Replies replies, boolean usage) throws IOException, InterruptedException {
        // Nothing is promised until there is a first piece: what fails before is an error with its own status.
        String piece = answer.next();
        if (piece == null) {
            requireAnswer(answer.ending());
        }
        try (OutputStream out = exchange.events()) {
            Replies.Told told = new Replies.Told();
            for (; piece != null; piece = answer.next()) {
                Exchange.event(out, replies.piece(answer, piece, null, told).toString());
            }
            try {
                Exchange.event(out, replies.piece(answer, null, requireAnswer(answer.ending()), told).toString());
                if (usage) {
                    Exchange.event(out, replies.usagePiece(answer).toString());
                }
            } catch (HttpFailure failure) {
                Exchange.event(out, failure.json().toString());
            }
            Exchange.event(out, "[DONE]");
        }
    }

    private void finished(Exchange exchange, TextAnswer answer, Replies replies) throws InterruptedException {
        Finish finish = answer.completion().await().finish();
        metrics.ended(answer.completion());
        Duration first = answer.completion().timeToFirstToken();
        Duration all = answer.completion().timeToEnd();
        LOG.log(System.Logger.Level.INFO, String.format(Locale.ROOT,
            "id=%s path=%s status=%d model=%s prompt_tokens=%d shared_tokens=%d new_tokens=%d finish=%s alarms=%s first_token_ms=%s ms=%s",
            replies.id(),
            exchange.path(), exchange.status(), replies.model(), answer.promptTokens(), answer.completion().sharedTokens(), answer.tokens(),
            finish.name().toLowerCase(Locale.ROOT), alarms(answer.completion().events()), first == null ? "-" : first.toMillis(),
            all == null ? "-" : all.toMillis()));
    }

    /** The rules that raised an alarm, by name. */
    private static String alarms(List<MonitorEvent> events) {
        String names = events.stream().filter(MonitorEvent::alarms).map(event -> event.rule().name()).distinct()
            .collect(Collectors.joining(","));
        return names.isEmpty() ? "-" : names;
    }

    /**
     * Says that it is not ready, takes no more answers, and waits for those under way.
     *
     * @return whether all have ended in time
     * @throws InterruptedException where the thread is interrupted while it waits
     */
    public boolean drain() throws InterruptedException {
        ending = true;
        return service.scheduler().drain(Duration.ofSeconds(options.drainS()));
    }

    /** Stops listening and cuts connections that are still open. A second call does nothing. */
    @Override
    public void close() {
        ending = true;
        http.stop(0);
        threads.shutdownNow();
    }
}
