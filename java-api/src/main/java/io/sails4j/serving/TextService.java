package io.sails4j.serving;

import io.sails4j.InputException;
import io.sails4j.data.ChatTemplate;
import io.sails4j.data.Message;
import io.sails4j.data.StopTokens;
import io.sails4j.data.TokenSequence;
import io.sails4j.data.Tokenizer;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.GenerationOptions;
import io.sails4j.monitor.Monitor;
import io.sails4j.monitor.MonitorReport;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

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
        SchedulerOptions options, @Nullable Monitor monitor) {
        this.names = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(names));
        this.tokenizer = tokenizer;
        this.template = new ChatTemplate(tokenizer, template);
        this.chatStops = StopTokens.of(directory, model.config(), this.template);
        this.textStops = StopTokens.of(directory, model.config(), null);
        this.scheduler = Scheduler.open(model, options, monitor, this.names);
    }

    /** A service of a model without a monitor. See {@link #open(CausalModel, Path, SequencedMap, String, SchedulerOptions, Monitor)}. */
    public static TextService open(CausalModel model, Path directory, SequencedMap<String, AdapterStack> names, String template,
        SchedulerOptions options) {
        return open(model, directory, names, template, options, null);
    }

    /**
     * A service of a model.
     *
     * @param directory of the model, for its tokenizer, its chat template and its stop tokens
     * @param names what requests call the model, with which adapters; the first is meant where a request names none
     * @param template {@code checkpoint}, {@code gemma2}, {@code llama3}, or the path of a Jinja file
     * @param monitor that watches every request, null for none; it stays the caller's to close, after the service
     * @throws InputException where the directory has no tokenizer or template that can be used, there is no name, or the monitor switches
     *         to another name
     */
    public static TextService open(CausalModel model, Path directory, SequencedMap<String, AdapterStack> names, String template,
        SchedulerOptions options, @Nullable Monitor monitor) {
        if (names.isEmpty()) {
            throw new InputException("a service has no name for its model, expected one at least");
        }
        Tokenizer tokenizer = Tokenizer.load(directory);
        try {
            return new TextService(model, directory, names, tokenizer, template, options, monitor);
        } catch (RuntimeException | Error e) {
            tokenizer.close();
            throw e;
        }
    }

    /** What requests may call the model. */
    public List<String> names() {
        return List.copyOf(names.keySet());
    }

    /** Whether a monitor watches every request. */
    public boolean monitored() {
        return scheduler.monitored();
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
        AdapterStack adapters = adapters(request.model());
        int[] prompt = prompt(request);
        TextRequest.Sampling how = request.sampling();
        GenerationOptions options = new GenerationOptions(newTokens(request, prompt), how.temperature(), how.topK(), how.topP(), how.seed(),
            request.messages().isEmpty() ? textStops : chatStops);
        Completion completion = scheduler.submit(new CompletionRequest(prompt, options, adapters, request.limits().time(),
            new CompletionRequest.Watch(-1, request.watch().watcher(), request.watch().topLogprobs())));
        return new TextAnswer(completion, new TextPieces(ids -> tokenizing(t -> t.decode(ids, true)), request.limits().stop()),
            id -> tokenizing(t -> t.decode(new int[] {id}, false)));
    }

    private AdapterStack adapters(String asked) {
        String name = asked.isEmpty() ? names.firstEntry().getKey() : asked;
        AdapterStack adapters = names.get(name);
        if (adapters == null) {
            throw new InputException("there is no model '" + name + "', expected one of " + String.join(", ", names.keySet()));
        }
        return adapters;
    }

    /**
     * Reads a conversation and says what the service's monitor makes of it. Where the last turn is the assistant's, its tokens are the
     * answer's, as if they had been generated. A rule that stops ends the reading, too.
     *
     * @param model a name that the service knows, empty for the first
     * @throws InputException where the service has no monitor, or the conversation cannot be read
     * @throws BusyException where too many wait, or the service is ending
     * @throws InterruptedException where the thread is interrupted while it waits
     */
    public MonitorReport check(List<Message> conversation, String model) throws InterruptedException {
        if (!monitored()) {
            throw new InputException("a text is to be checked, and the service has no monitor; open it with one");
        }
        if (conversation.isEmpty()) {
            throw new InputException("a conversation without turns is to be checked, expected one at least");
        }
        boolean answered = conversation.getLast().role().equals("assistant");
        int[] prompt = rendered(answered ? conversation.subList(0, conversation.size() - 1) : conversation);
        int[] answer = answered ? rendering(() -> tokenizing(_ -> template.answer(conversation.getLast().content()))) : new int[0];
        int[] all = TokenSequence.answered(prompt, answer, null).ids();
        requireRoom(all);
        Completion completion = scheduler.submit(new CompletionRequest(all, GenerationOptions.greedy(1, Set.of()), adapters(model), null,
            new CompletionRequest.Watch(prompt.length, null, -1)));
        Ending how = completion.await();
        if (how.finish() == Finish.FAILED || how.finish() == Finish.CLOSED) {
            throw new IllegalStateException("the text could not be checked: " + how.finish(), how.failure());
        }
        return new MonitorReport(completion.events());
    }

    private int newTokens(TextRequest request, int[] prompt) {
        int left = requireRoom(prompt);
        return request.limits().maxNewTokens() == 0 ? left : request.limits().maxNewTokens();
    }

    private int requireRoom(int[] prompt) {
        int left = scheduler.room() - prompt.length;
        if (left < 1) {
            throw new InputException("the prompt has " + prompt.length + " tokens, expected less than the room of " + scheduler.room());
        }
        return left;
    }

    private int[] prompt(TextRequest request) {
        String text = request.prompt();
        return text != null ? tokenizing(t -> t.encodeWithBos(text)) : rendered(request.messages());
    }

    private int[] rendered(List<Message> messages) {
        return rendering(() -> tokenizing(_ -> template.prompt(messages)));
    }

    private <R> R rendering(Supplier<R> use) {
        rendering.lock();
        try {
            return use.get();
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
