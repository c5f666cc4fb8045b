package io.sails4j.judge;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.files.FileHash;
import io.sails4j.http.Waiting;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletionService;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Asks a model behind an OpenAI-compatible server for a score by a rubric, at temperature 0. Replies are kept by the hash of what was
 * asked, so that a run which was stopped asks for the rest alone. Notes go to the logger {@code io.sails4j.judge}.
 */
public final class EndpointJudge implements Judge {
    private static final System.Logger LOG = System.getLogger("io.sails4j.judge");
    private static final String QUESTION = "Score the answer by the rubric. Write one JSON object and nothing else: "
        + "{\"reason\": \"one or two sentences\", \"score\": a whole number from 1 to 5}";

    private final String label;
    private final EndpointServer server;
    private final EndpointOptions options;
    private final JudgeText text;
    private final ChatClient client;
    private final ReplyCache cache;

    /**
     * Judges by a server.
     *
     * @param label what stands for the server and its model in the judge's name
     * @param cache directory of the replies, made where it is missing; null = replies are kept as long as the judge
     */
    public EndpointJudge(String label, EndpointServer server, Rubric rubric, EndpointOptions options, @Nullable Path cache) {
        this(label, server, rubric, options, cache, Waiting.real(), sentence -> LOG.log(System.Logger.Level.INFO, sentence));
    }

    EndpointJudge(String label, EndpointServer server, Rubric rubric, EndpointOptions options, @Nullable Path cache, Waiting waiting,
        Consumer<String> notes) {
        this.label = label;
        this.server = server;
        this.options = options;
        this.text = new JudgeText(rubric, QUESTION);
        this.cache = new ReplyCache(cache, notes);
        this.client = new ChatClient(server, options, waiting, notes);
    }

    @Override
    public String name() {
        return "endpoint:" + label;
    }

    @Override
    public List<Judgement> judge(List<Exchange> exchanges) {
        List<Question> questions = exchanges.stream().map(this::question).toList();
        Map<String, ChatOutcome> outcomes = answered(questions);
        return questions.stream().map(question -> judgement(Objects.requireNonNull(outcomes.get(question.key())), question.exchange()))
            .toList();
    }

    private Judgement judgement(ChatOutcome outcome, Exchange exchange) {
        return switch (outcome) {
            case ChatReply reply -> ScoreReader.read(reply, exchange, options.maxTokens());
            case ChatOutcome.Unanswered none -> new Judgement.Undecided(none.reason());
        };
    }

    /** @param key the hash of the whole request, and of where it is sent */
    private record Question(Exchange exchange, String key, String message) {
    }

    private Question question(Exchange exchange) {
        String message = text.of(exchange);
        ObjectNode request = Dialect.full().request(server, options, message);
        return new Question(exchange, FileHash.sha256OfText(server.requests() + "\n" + request), message);
    }

    private Map<String, ChatOutcome> answered(List<Question> questions) {
        Map<String, ChatOutcome> outcomes = new LinkedHashMap<>();
        // What is the same is asked once.
        Map<String, Question> unknown = new LinkedHashMap<>();
        for (Question question : questions) {
            cache.get(question.key()).ifPresentOrElse(reply -> outcomes.put(question.key(), reply),
                () -> unknown.putIfAbsent(question.key(), question));
        }
        List<Question> open = List.copyOf(unknown.values());
        record Answered(String key, ChatOutcome outcome) {
        }
        // The pool's close waits for its threads; those of requests that are not needed any more are interrupted before it.
        try (ExecutorService threads = Executors.newFixedThreadPool(options.concurrency(), Thread.ofVirtual().factory())) {
            CompletionService<Answered> asked = new ExecutorCompletionService<>(threads);
            open.forEach(question -> asked.submit(() -> new Answered(question.key(), ask(question))));
            try {
                for (int i = 0; i < open.size(); i++) {
                    Answered one = asked.take().get();
                    outcomes.put(one.key(), one.outcome());
                }
            } catch (ExecutionException e) {
                threads.shutdownNow();
                if (e.getCause() instanceof RuntimeException failure) {
                    throw failure;
                }
                throw new IllegalStateException("asking the judge failed", e.getCause());
            } catch (InterruptedException e) {
                threads.shutdownNow();
                Thread.currentThread().interrupt();
                throw new IllegalStateException("the judging was interrupted", e);
            }
        }
        return outcomes;
    }

    private ChatOutcome ask(Question question) {
        ChatOutcome outcome = client.ask(question.message(), Long.parseUnsignedLong(question.key().substring(0, 16), 16));
        if (outcome instanceof ChatReply reply) {
            cache.put(question.key(), reply);
        }
        return outcome;
    }

    @Override
    public void close() {
        try {
            client.close();
        } finally {
            cache.close();
        }
    }
}
