package io.sails4j.model;

import io.sails4j.InputException;
import io.sails4j.ops.Graphs;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Sequences that are generated side by side, each by options and adapters of its own; they come and go between steps. What a sequence gets
 * does not depend on what is beside it, nor on how many there are, nor on what was there before, bit for bit on one backend with one number
 * of threads: its prompt is read alone in chunks that begin where its tokens' number says, its later tokens are computed in steps of always
 * the same number of rows, its attention runs over its own keys and values, and its random numbers come from its seed, its number and the
 * step.
 *
 * <p>Keys and values lie in pages. A prompt that begins with whole chunks of one that was read before, by the same adapters, shares their
 * pages, the same bits that reading them again would give; what was read outlives its sequence until others need the pages. A sequence
 * comes only where there are pages for all tokens that it may come to have, and takes them as its tokens come. One thread at a time.
 */
public final class BatchDecoder implements AutoCloseable {
    private final ModelSession session;
    private final CausalModel model;
    private final BatchOptions batch;
    private final int chunk;
    private final @Nullable StreamEdit chunkEdit;
    private final @Nullable StreamProbe probe;
    private final StreamProbe.@Nullable Readings chunkReadings;
    private final DecodePlaces places;
    private final List<Sequence> sequences = new ArrayList<>();
    private final TensorArena memory;
    private boolean closed;

    /**
     * A decoder without sequences; memory is taken as they come.
     *
     * @param session whose memory the reading of prompts takes, and whose thread generates
     * @param chunk tokens of a prompt that are read at a time; the room of a sequence reads prompts whole, and shares none
     * @param edit of the residual stream, of the prompts' tokens and of each new one that is read; rows that belong to no sequence may be
     *        among those of a step
     * @param probe of the stream behind the edit, null for none
     * @param graphs whether steps are recorded and launched whole
     */
    public BatchDecoder(ModelSession session, BatchOptions batch, int chunk, @Nullable StreamEdit edit, @Nullable StreamProbe probe,
        Graphs graphs) {
        if (chunk < 1) {
            throw new InputException("prefill_chunk is " + chunk + ", expected 1 or more tokens of a prompt at a time");
        }
        this.session = session;
        this.model = session.model();
        this.batch = batch;
        this.chunk = chunk;
        this.probe = probe;
        this.memory = new TensorArena(model.engine().device());
        this.places = new DecodePlaces(model, batch, chunk,
            (pool, adapters) -> new DecodeGroup(model, pool, adapters, edit, probe, graphs, batch.rows(), batch.capacity()));
        model.config().requirePositions("the room of a sequence in tokens is", batch.capacity(), "use shorter prompts or fewer new tokens");
        this.chunkReadings = probe == null ? null : probe.open(Math.min(chunk, batch.capacity()));
        this.chunkEdit = StreamEdit.both(edit, chunkReadings);
    }

    /** A sequence of the decoder: its prompt, and what was generated. */
    public static final class Sequence {
        private final DecodeRequest request;
        private final int shared;
        private final int[] tokens;
        private final List<TokenLogprobs> logprobs = new ArrayList<>();
        private AdapterStack adapters;
        private DecodePlaces.Place place;
        private int read;
        private int count;
        private boolean stopped;
        private boolean gone;

        private Sequence(DecodeRequest request, DecodePlaces.Place place, int shared) {
            this.request = request;
            this.adapters = request.adapters();
            this.place = place;
            this.shared = shared;
            this.read = shared;
            this.tokens = new int[request.options().maxNewTokens()];
        }

        /** Whether part of the prompt is still to be read; until then there is no token. */
        public boolean awaitsPrompt() {
            return !gone && read < request.prompt().length;
        }

        /** Tokens of the prompt that did not have to be read, since a cache held their keys and values. */
        public int sharedTokens() {
            return shared;
        }

        /** How many tokens were generated. */
        public int count() {
            return count;
        }

        /** One of the generated tokens, from 0. */
        public int token(int at) {
            return tokens[Objects.checkIndex(at, count)];
        }

        /** Those of one of the generated tokens, from 0, where they were asked for. */
        public TokenLogprobs logprobs(int at) {
            return logprobs.get(at);
        }

        /** All generated tokens, with the stop token where one ended them. */
        public int[] tokens() {
            return Arrays.copyOf(tokens, count);
        }

        /** Whether nothing more comes: a stop token came, or as many tokens as were asked for, or the sequence left. */
        public boolean ended() {
            return gone;
        }

        /** The adapters of its next token. */
        public AdapterStack adapters() {
            return adapters;
        }

        /** Whether a stop token ended it. */
        public boolean stopped() {
            return stopped;
        }

        /** For the token that comes next. */
        private float uniform() {
            GenerationOptions options = request.options();
            return options.temperature() == 0 ? 0 : CounterRandom.uniform(options.seed(), request.number(), count);
        }

        /** The token that was chosen last: what the next step reads. */
        private int latest() {
            return tokens[count - 1];
        }

        private boolean shareable() {
            StreamProbe.Listener listener = request.listener();
            return listener == null || listener.unchanged();
        }
    }

    /** Whether any sequence that may come at all can come now. */
    public boolean hasRoom() {
        return sequences.isEmpty() || sequences.size() < batch.sequences() && places.pool().fits(PagePool.pagesOf(batch.mostTokens()));
    }

    /** Whether this sequence can come now: there is a row for it, and memory for all tokens that it may come to have. */
    public boolean hasRoom(DecodeRequest request) {
        return sequences.size() < batch.sequences() && places.fits(request.prompt(), request.adapters(), request.mostTokens());
    }

    /** What the keys and values take, in pages of {@value BatchOptions#PAGE_TOKENS} tokens. */
    public CacheUse cacheUse() {
        PagePool pool = places.pool();
        return new CacheUse(pool.usedPages(), pool.heldPages(), pool.pages(), batch.cachePages(), BatchOptions.pageBytes(model));
    }

    /** Sequences under way. */
    public int size() {
        return sequences.size();
    }

    /** A sequence comes that nobody listens to. See {@link #add(DecodeRequest)}. */
    public Sequence add(int[] prompt, AdapterStack adapters, GenerationOptions options, long number) {
        return add(new DecodeRequest(prompt, adapters, options, number));
    }

    /**
     * A sequence comes; nothing is computed yet. Tokens that need not be read are shown to its listener at once, as they were read before.
     *
     * @return the sequence, ended where the listener said so
     * @throws InputException see {@link BatchOptions#requireFits}
     * @throws IllegalStateException where there is no room ({@link #hasRoom(DecodeRequest)}), or no probe for the listener
     */
    public Sequence add(DecodeRequest request) {
        batch.requireFits(request.prompt(), request.options());
        if (request.listener() != null && probe == null) {
            throw new IllegalStateException("a listener is given, and there is no probe that it could listen to");
        }
        if (sequences.size() >= batch.sequences()) {
            throw new IllegalStateException("all " + batch.sequences() + " sequences are under way");
        }
        try (SingleUse.Use _ = enter()) {
            DecodePlaces.Place place = places.take(request.prompt(), request.adapters(), request.mostTokens());
            PromptCache cache = place.cache();
            Sequence sequence = new Sequence(request, place, cache.tokens());
            sequences.add(sequence);
            try {
                showShared(sequence, cache);
            } catch (RuntimeException | Error e) {
                leave(sequence);
                throw e;
            }
            return sequence;
        }
    }

    private void showShared(Sequence sequence, PromptCache cache) {
        List<StreamProbe.Readings> chunks = List.copyOf(cache.readings());
        for (int i = 0; i < chunks.size() * chunk && !sequence.gone; i++) {
            show(sequence, chunks.get(i / chunk), i % chunk, i, sequence.request.prompt()[i]);
        }
    }

    /** Shows a token to the sequence's listener, which may end it. */
    private void show(Sequence sequence, StreamProbe.Readings readings, int row, int position, int id) {
        StreamProbe.Listener listener = sequence.request.listener();
        if (listener != null && !listener.token(readings, row, position, id)) {
            leave(sequence);
        }
    }

    /**
     * Reads the next chunk of a sequence's prompt, alone and without padding; behind the last one the first new token is chosen.
     *
     * @throws IllegalStateException where the sequence awaits nothing
     */
    public void read(Sequence sequence) {
        if (!sequence.awaitsPrompt()) {
            throw new IllegalStateException("the sequence's prompt is read");
        }
        try (SingleUse.Use _ = enter()) {
            int from = sequence.read;
            int to = Math.min(sequence.request.prompt().length, from + chunk);
            PromptCache cache = sequence.place.cache();
            stands(sequence, chunkReadings, 0, to - from);
            try (ForwardPass pass = session.forward(chunk(sequence.request.prompt(), from, to), sequence.adapters,
                ForwardOptions.inference().withEdit(chunkEdit), cache.keysAndValues())) {
                sequence.read = to;
                if (chunkReadings != null) {
                    chunkReadings.fetch();
                }
                if (to - from == chunk && to == cache.tokens() + chunk && sequence.shareable()) {
                    cache.holds(sequence.request.prompt(), to, chunkReadings == null ? null : chunkReadings.kept(chunk));
                }
                showChunk(sequence, from, to);
                if (to == sequence.request.prompt().length && !sequence.gone) {
                    Tensor logits = session.logits(pass, new int[] {to - from - 1});
                    int first = first(sequence, logits);
                    enter(sequence);
                    take(sequence, first, logits);
                }
            }
        }
    }

    private void showChunk(Sequence sequence, int from, int to) {
        for (int i = from; chunkReadings != null && i < to && !sequence.gone; i++) {
            show(sequence, chunkReadings, i - from, i, sequence.request.prompt()[i]);
        }
    }

    private void enter(Sequence sequence) {
        DecodePlaces.Place place = sequence.place;
        place.group().enter(place.row(), place.cache().keysAndValues(), sequence.adapters, sequence.request.options());
        stands(sequence, place.group().readings(), place.row(), 1);
    }

    private static void stands(Sequence sequence, StreamProbe.@Nullable Readings readings, int row, int count) {
        if (readings != null) {
            readings.clear(row, count);
            StreamProbe.Listener listener = sequence.request.listener();
            if (listener != null) {
                listener.stands(readings, row, count);
            }
        }
    }

    /**
     * From its next token on a sequence is continued by other adapters; what was read and generated until now stays as it is. That holds in
     * the middle of a prompt too.
     */
    public void continueBy(Sequence sequence, AdapterStack adapters) {
        if (sequence.gone || sequence.adapters.equals(adapters)) {
            return;
        }
        try (SingleUse.Use _ = enter()) {
            sequence.place = places.move(sequence.place, adapters);
            sequence.adapters = adapters;
            if (sequence.read == sequence.request.prompt().length) {
                enter(sequence);
                feed(sequence, sequence.latest());
            }
        }
    }

    private static TokenBatch chunk(int[] prompt, int from, int to) {
        int[] segments = new int[to - from];
        int[] positions = new int[to - from];
        Arrays.fill(segments, 1);
        Arrays.setAll(positions, i -> from + i);
        return new TokenBatch(1, to - from, Arrays.copyOfRange(prompt, from, to), segments, positions);
    }

    private int first(Sequence sequence, Tensor logits) {
        GenerationOptions options = sequence.request.options();
        memory.reset();
        Tensor id = memory.allocate(DType.I32, 1);
        Tensor uniform = memory.allocate(DType.F32, 1);
        uniform.upload(new float[] {sequence.uniform()});
        model.engine().ops().sampling().sample(id, logits, uniform, (float) options.temperature(), options.topK(), (float) options.topP());
        return id.toIntArray()[0];
    }

    /** One more token of every sequence whose prompt is read. */
    public void step() {
        try (SingleUse.Use _ = enter()) {
            for (DecodeGroup group : places.groups()) {
                if (!group.idle()) {
                    int[] ids = group.step();
                    for (Sequence sequence : List.copyOf(sequences)) {
                        if (sequence.place.group() == group && !sequence.awaitsPrompt()) {
                            if (group.readings() != null) {
                                show(sequence, group.readings(), sequence.place.row(),
                                    sequence.request.prompt().length + sequence.count - 1,
                                    sequence.latest());
                            }
                            if (!sequence.gone) {
                                take(sequence, ids[sequence.place.row()], group.logits(sequence.place.row()));
                            }
                        }
                    }
                }
            }
        }
    }

    /** A sequence has got its next token, chosen by logits [1, vocab_size] F32. */
    private void take(Sequence sequence, int id, Tensor logits) {
        if (sequence.request.topLogprobs() >= 0) {
            sequence.logprobs.add(TokenLogprobs.of(logits.toFloatArray(), id, sequence.request.topLogprobs()));
        }
        sequence.tokens[sequence.count++] = id;
        sequence.stopped = sequence.request.options().stopIds().contains(id);
        if (sequence.stopped || sequence.count == sequence.tokens.length) {
            leave(sequence);
        } else {
            feed(sequence, id);
        }
    }

    private static void feed(Sequence sequence, int id) {
        sequence.place.group().feed(sequence.place.row(), id, sequence.uniform());
    }

    /** A sequence goes, ended or not, and makes room; one that went already is left alone. */
    public void leave(Sequence sequence) {
        if (!sequence.gone) {
            sequence.gone = true;
            sequences.remove(sequence);
            places.leave(sequence.place);
        }
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
            places.close();
            if (chunkReadings != null) {
                chunkReadings.close();
            }
            memory.close();
        }
    }
}
