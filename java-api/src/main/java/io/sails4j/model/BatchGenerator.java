package io.sails4j.model;

import io.sails4j.InputException;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Generates for a stream of prompts, several at a time: a sequence that has ended makes room for the next prompt at once. What a sequence
 * gets does not depend on what is beside it, nor on how many there are, bit for bit on one backend with one number of threads: its prompt
 * is read alone, its later tokens are computed in steps of always the same number of rows, its attention runs alone over a cache of its
 * own, and its random numbers come from the seed, its number and the step. One thread at a time.
 */
public final class BatchGenerator implements AutoCloseable {
    private final ModelSession session;
    private final CausalModel model;
    private final AdapterStack adapters;
    private final @Nullable StreamEdit edit;
    private final GenerationOptions options;
    private final BatchOptions batch;
    private final List<DecodeGroup> groups = new ArrayList<>();
    private final @Nullable Running[] running;
    private final List<Result> finished = new ArrayList<>();
    private final TensorArena memory;
    private boolean closed;

    /**
     * A generator without prompts yet; memory is taken as sequences come.
     *
     * @param session whose memory the reading of prompts takes, and whose thread generates
     */
    public BatchGenerator(ModelSession session, AdapterStack adapters, GenerationOptions options, BatchOptions batch) {
        this(session, adapters, options, batch, null);
    }

    /**
     * The same with an edit of the residual stream: of the prompts' tokens, and of each new one that is read; rows that belong to no
     * sequence may be among those of a step.
     */
    public BatchGenerator(ModelSession session, AdapterStack adapters, GenerationOptions options, BatchOptions batch,
        @Nullable StreamEdit edit) {
        this.session = session;
        this.model = session.model();
        this.adapters = adapters;
        this.edit = edit;
        this.options = options;
        this.batch = batch;
        this.running = new @Nullable Running[batch.sequences()];
        this.memory = new TensorArena(model.engine().device());
        model.config().requirePositions("the room of a sequence in tokens is", batch.capacity(), "use shorter prompts or fewer new tokens");
    }

    /**
     * A prompt.
     *
     * @param number of the sequence, from which its random numbers follow
     */
    public record Request(long number, int[] promptIds) {
    }

    /**
     * A finished answer.
     *
     * @param newIds with the stop token where it ended by one
     * @param stopped whether a stop token ended it, and not the number of tokens
     */
    public record Result(Request request, int[] newIds, boolean stopped) {
    }

    /** A sequence under way. */
    private static final class Running {
        private final Request request;
        private final int[] tokens;
        private int count;

        Running(Request request, int maxNewTokens) {
            this.request = request;
            this.tokens = new int[maxNewTokens];
        }
    }

    /** Whether another prompt can be taken now. */
    public boolean hasRoom() {
        return Arrays.asList(running).contains(null);
    }

    /** Whether no sequence is under way and every result was given out. */
    public boolean idle() {
        return finished.isEmpty() && Arrays.stream(running).allMatch(r -> r == null);
    }

    /**
     * Reads a prompt and chooses its first new token.
     *
     * @throws InputException where the prompt is empty, or too long for the room of a sequence
     */
    public void add(Request request) {
        requireFits(request.promptIds());
        int slot = Arrays.asList(running).indexOf(null);
        if (slot < 0) {
            throw new IllegalStateException("all " + batch.sequences() + " sequences are under way");
        }
        try (SingleUse.Use _ = enter()) {
            DecodeGroup group = group(slot);
            Running sequence = new Running(request, options.maxNewTokens());
            int first = read(sequence, group.cache(row(slot)));
            group.enter(row(slot));
            running[slot] = sequence;
            take(slot, first);
        }
    }

    /** One more token of every sequence; gives out what has ended since the last step. */
    public List<Result> step() {
        try (SingleUse.Use _ = enter()) {
            for (int g = 0; g < groups.size(); g++) {
                if (!groups.get(g).idle()) {
                    int[] ids = groups.get(g).step();
                    for (int row = 0; row < ids.length; row++) {
                        int slot = g * batch.rows() + row;
                        if (slot < running.length && running[slot] != null) {
                            take(slot, ids[row]);
                        }
                    }
                }
            }
            List<Result> given = List.copyOf(finished);
            finished.clear();
            return given;
        }
    }

    /** Takes all prompts, in their order, and gives out the answers as they end. */
    public void run(Iterator<Request> requests, Consumer<Result> listener) {
        do {
            while (hasRoom() && requests.hasNext()) {
                add(requests.next());
            }
            step().forEach(listener);
        } while (!idle() || requests.hasNext());
    }

    private void requireFits(int[] prompt) {
        if (prompt.length == 0) {
            throw new InputException("a prompt has no tokens; it needs at least the BOS token");
        }
        if ((long) prompt.length + options.maxNewTokens() > batch.capacity()) {
            throw new InputException("a prompt of " + prompt.length + " tokens and " + options.maxNewTokens()
                + " new ones need more than the room of " + batch.capacity()
                + " tokens; give sequences more room, or ask for fewer tokens");
        }
    }

    /** Groups are made when their first sequence comes. */
    private DecodeGroup group(int slot) {
        while (groups.size() <= slot / batch.rows()) {
            groups.add(new DecodeGroup(model, adapters, edit, options, batch.rows(), batch.capacity()));
        }
        return groups.get(slot / batch.rows());
    }

    private int row(int slot) {
        return slot % batch.rows();
    }

    /** The forward over a prompt, alone and without padding, which fills its cache, and the first new token. */
    private int read(Running sequence, KvCache cache) {
        int[] prompt = sequence.request.promptIds();
        try (ForwardPass pass = session.forward(TokenBatch.of(prompt), adapters, ForwardOptions.inference().withEdit(edit), cache)) {
            Tensor logits = session.logits(pass, new int[] {prompt.length - 1});
            memory.reset();
            Tensor id = memory.allocate(DType.I32, 1);
            Tensor uniform = options.temperature() == 0 ? null : memory.allocate(DType.F32, 1);
            if (uniform != null) {
                uniform.upload(new float[] {uniform(sequence)});
            }
            model.engine().ops().sampling().sample(id, logits, uniform, (float) options.temperature(), options.topK(),
                (float) options.topP());
            return id.toIntArray()[0];
        }
    }

    /** A sequence has got its next token. */
    private void take(int slot, int id) {
        Running sequence = running[slot];
        if (sequence == null) {
            throw new IllegalStateException("no sequence stands in place " + slot);
        }
        sequence.tokens[sequence.count++] = id;
        boolean stopped = options.stopIds().contains(id);
        if (stopped || sequence.count == options.maxNewTokens()) {
            finished.add(new Result(sequence.request, Arrays.copyOf(sequence.tokens, sequence.count), stopped));
            running[slot] = null;
            group(slot).leave(row(slot));
        } else {
            group(slot).feed(row(slot), id, uniform(sequence));
        }
    }

    /** For the token that the sequence gets next. */
    private float uniform(Running sequence) {
        return options.temperature() == 0 ? 0 : CounterRandom.uniform(options.seed(), sequence.request.number(), sequence.count);
    }

    private SingleUse.Use enter() {
        if (closed) {
            throw new IllegalStateException("the generator is closed");
        }
        return session.enter();
    }

    /** Frees the memory; sequences under way are dropped. A second call does nothing. */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            groups.forEach(DecodeGroup::close);
            memory.close();
        }
    }
}
