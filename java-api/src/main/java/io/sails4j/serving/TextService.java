package io.sails4j.serving;

import io.sails4j.InputException;
import io.sails4j.data.ChatTemplate;
import io.sails4j.data.StopTokens;
import io.sails4j.data.Tokenizer;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.GenerationOptions;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Function;

/**
 * Texts in, texts out, for any number of threads: a model, alone and with adapters by name, behind one {@link Scheduler}. The model and the
 * adapters stay the caller's to close, after the service.
 */
public final class TextService implements AutoCloseable {
    private final SequencedMap<String, AdapterStack> names;
    private final Tokenizer tokenizer;
    private final ChatTemplate template;
    private final Set<Integer> chatStops;
    private final Set<Integer> textStops;
    private final Scheduler scheduler;
    /** A template is rendered by one thread at a time. */
    private final ReentrantLock rendering = new ReentrantLock();
    /** The tokenizer's memory is not freed under those who use it. */
    private final ReentrantReadWriteLock tokenizing = new ReentrantReadWriteLock();
    private boolean closed;

    private TextService(CausalModel model, Path directory, SequencedMap<String, AdapterStack> names, Tokenizer tokenizer, String template,
        SchedulerOptions options) {
        this.names = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(names));
        this.tokenizer = tokenizer;
        this.template = new ChatTemplate(tokenizer, template);
        this.chatStops = StopTokens.of(directory, model.config(), this.template);
        this.textStops = StopTokens.of(directory, model.config(), null);
        this.scheduler = Scheduler.open(model, options);
    }

    /**
     * A service of a model.
     *
     * @param directory of the model, for its tokenizer, its chat template and its stop tokens
     * @param names what requests call the model, with which adapters; the first is meant where a request names none
     * @param template {@code checkpoint}, {@code gemma2}, {@code llama3}, or the path of a Jinja file
     * @throws InputException where the directory has no tokenizer or template that can be used, or there is no name
     */
    public static TextService open(CausalModel model, Path directory, SequencedMap<String, AdapterStack> names, String template,
        SchedulerOptions options) {
        if (names.isEmpty()) {
            throw new InputException("a service has no name for its model, expected one at least");
        }
        Tokenizer tokenizer = Tokenizer.load(directory);
        try {
            return new TextService(model, directory, names, tokenizer, template, options);
        } catch (RuntimeException | Error e) {
            tokenizer.close();
            throw e;
        }
    }

    /** What requests may call the model. */
    public List<String> names() {
        return List.copyOf(names.keySet());
    }

    /** Who does the work. */
    public Scheduler scheduler() {
        return scheduler;
    }

    /**
     * Takes a request; its text is there piece by piece.
     *
     * @throws InputException where the request cannot be answered: an unknown model, turns that the template does not know, a prompt that
     *         does not fit
     * @throws BusyException where too many wait, or the service is ending
     */
    public TextAnswer submit(TextRequest request) {
        String name = request.model().isEmpty() ? names.firstEntry().getKey() : request.model();
        AdapterStack adapters = names.get(name);
        if (adapters == null) {
            throw new InputException("there is no model '" + name + "', expected one of " + String.join(", ", names.keySet()));
        }
        int[] prompt = prompt(request);
        TextRequest.Sampling how = request.sampling();
        GenerationOptions options = new GenerationOptions(newTokens(request, prompt), how.temperature(), how.topK(), how.topP(), how.seed(),
            request.messages().isEmpty() ? textStops : chatStops);
        Completion completion = scheduler.submit(new CompletionRequest(prompt, options, adapters, request.limits().time()));
        return new TextAnswer(completion, new TextPieces(ids -> tokenizing(t -> t.decode(ids, true)), request.limits().stop()));
    }

    private int newTokens(TextRequest request, int[] prompt) {
        int left = scheduler.room() - prompt.length;
        if (left < 1) {
            throw new InputException("the prompt has " + prompt.length + " tokens, expected less than the room of " + scheduler.room());
        }
        return request.limits().maxNewTokens() == 0 ? left : request.limits().maxNewTokens();
    }

    private int[] prompt(TextRequest request) {
        String text = request.prompt();
        if (text != null) {
            return tokenizing(t -> t.encodeWithBos(text));
        }
        rendering.lock();
        try {
            return tokenizing(_ -> template.prompt(request.messages()));
        } finally {
            rendering.unlock();
        }
    }

    private <R> R tokenizing(Function<Tokenizer, R> use) {
        tokenizing.readLock().lock();
        try {
            if (closed) {
                throw new IllegalStateException("the service is closed");
            }
            return use.apply(tokenizer);
        } finally {
            tokenizing.readLock().unlock();
        }
    }

    /**
     * Ends everything under way; the model and the adapters stay open. Who still reads an answer finds its end, or an
     * {@link IllegalStateException} where tokens were left to be made text. A second call does nothing.
     */
    @Override
    public void close() {
        scheduler.close();
        tokenizing.writeLock().lock();
        try {
            if (!closed) {
                closed = true;
                tokenizer.close();
            }
        } finally {
            tokenizing.writeLock().unlock();
        }
    }
}
