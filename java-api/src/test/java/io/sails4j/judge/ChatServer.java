package io.sails4j.judge;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executors;
import java.util.function.Function;

/** A server of chat completions on this machine. It scores by a rule, and misbehaves as it is told. */
final class ChatServer implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** One thing to do instead of the proper answer, once. */
    @FunctionalInterface
    interface Trick {
        void answer(HttpExchange exchange) throws IOException;
    }

    private final HttpServer server;
    private final Deque<Trick> tricks = new ArrayDeque<>();
    /** Bodies of the requests in their order. */
    final List<JsonNode> requests = new CopyOnWriteArrayList<>();
    final List<String> tokens = new CopyOnWriteArrayList<>();
    /** What a message is answered. */
    Function<String, String> rule = message -> judged(message).contains("wrench") ? verdict(5) : verdict(1);
    /** What is done with every request before the rule, which goes on where it returns false. */
    Function<JsonNode, Trick> before = request -> null;

    ChatServer() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
        server.createContext("/", this::handle);
        server.start();
    }

    String base() {
        return "http://127.0.0.1:" + server.getAddress().getPort() + "/v1";
    }

    synchronized void trick(Trick... all) {
        tricks.addAll(Arrays.asList(all));
    }

    private synchronized Trick next() {
        return tricks.poll();
    }

    static String verdict(int score) {
        return "{\"reason\": \"because of " + score + "\", \"score\": " + score + "}";
    }

    /** The mark of a message's frame. */
    static String mark(String message) {
        return message.replaceAll("(?s).*?carry the mark ([0-9a-f]{16})\\..*", "$1");
    }

    /** The judged answer in a message. */
    static String judged(String message) {
        String[] parts = message.split("\\[" + mark(message) + " the answer (begins|ends)\\]");
        return parts.length == 3 ? parts[1].strip() : "no frame";
    }

    static Trick status(int status, String body, String... headers) {
        return exchange -> {
            for (int i = 0; i < headers.length; i += 2) {
                exchange.getResponseHeaders().set(headers[i], headers[i + 1]);
            }
            byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(status, bytes.length == 0 ? -1 : bytes.length);
            exchange.getResponseBody().write(bytes);
        };
    }

    static Trick error(int status, String message, String... headers) {
        return status(status, JSON.createObjectNode().set("error", JSON.createObjectNode().put("message", message)).toString(), headers);
    }

    static Trick content(String content, String finishReason) {
        var choice = JSON.createObjectNode().put("finish_reason", finishReason);
        choice.putObject("message").put("role", "assistant").put("content", content);
        return status(200, JSON.createObjectNode().set("choices", JSON.createArrayNode().add(choice)).toString());
    }

    private void handle(HttpExchange exchange) throws IOException {
        try (exchange) {
            JsonNode request = JSON.readTree(exchange.getRequestBody().readAllBytes());
            requests.add(request);
            tokens.add(String.valueOf(exchange.getRequestHeaders().getFirst("Authorization")));
            Trick trick = next();
            trick = trick == null ? before.apply(request) : trick;
            if (trick != null) {
                trick.answer(exchange);
            } else if (!exchange.getRequestURI().getPath().equals("/v1/chat/completions")) {
                error(404, "no such path").answer(exchange);
            } else {
                content(rule.apply(request.at("/messages/0/content").asText()), "stop").answer(exchange);
            }
        }
    }

    @Override
    public void close() {
        server.stop(0);
    }
}
