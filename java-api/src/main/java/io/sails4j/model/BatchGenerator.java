package io.sails4j.model;

import io.sails4j.InputException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Generates for a stream of prompts, several at a time, all by the same options: a sequence that has ended makes room for the next prompt
 * at once. What a sequence gets does not depend on the others ({@link BatchDecoder}); prompts are read whole. One thread at a time.
 */
public final class BatchGenerator implements AutoCloseable {
    private final AdapterStack adapters;
    private final GenerationOptions options;
    private final BatchDecoder decoder;
    private final List<Running> running = new ArrayList<>();

    /**
     * A generator without prompts yet; memory is taken as sequences come.
     *
     * @param session whose memory the reading of prompts takes, and whose thread generates
     */
    public BatchGenerator(ModelSession session, AdapterStack adapters, GenerationOptions options, BatchOptions batch) {
        this(session, adapters, options, batch, null, null);
    }

    /** The same with an edit of the residual stream, and a probe of it for requests that are listened to; see {@link BatchDecoder}. */
    public BatchGenerator(ModelSession session, AdapterStack adapters, GenerationOptions options, BatchOptions batch,
        @Nullable StreamEdit edit, @Nullable StreamProbe probe) {
        this.adapters = adapters;
        this.options = options;
        this.decoder = new BatchDecoder(session, batch, batch.capacity(), edit, probe, options.graphs());
    }

    /**
     * A prompt.
     *
     * @param number of the sequence, from which its random numbers follow
     * @param listener who looks at what the generator's probe reads of it, null for nobody
     */
    public record Request(long number, int[] promptIds, StreamProbe.@Nullable Listener listener) {
        /** One that nobody listens to. */
        public Request(long number, int[] promptIds) {
            this(number, promptIds, null);
        }
    }

    /**
     * A finished answer.
     *
     * @param newIds with the stop token where it ended by one
     * @param stopped whether a stop token ended it, and not the number of tokens
     */
    public record Result(Request request, int[] newIds, boolean stopped) {
    }

    private record Running(Request request, BatchDecoder.Sequence sequence) {
    }

    /** Whether another prompt can be taken now. */
    public boolean hasRoom() {
        return decoder.hasRoom();
    }

    /** Whether no sequence is under way and every result was given out. */
    public boolean idle() {
        return running.isEmpty();
    }

    /**
     * Reads a prompt and chooses its first new token.
     *
     * @throws InputException where the prompt is empty, or too long for the room of a sequence
     */
    public void add(Request request) {
        BatchDecoder.Sequence sequence = decoder.add(
            new DecodeRequest(request.promptIds(), adapters, options, request.number(), request.listener(), -1));
        try {
            decoder.read(sequence);
        } catch (RuntimeException | Error e) {
            decoder.leave(sequence);
            throw e;
        }
        running.add(new Running(request, sequence));
    }

    /** One more token of every sequence; gives out what has ended since the last step. */
    public List<Result> step() {
        decoder.step();
        List<Result> finished = running.stream().filter(one -> one.sequence().ended())
            .map(one -> new Result(one.request(), one.sequence().tokens(), one.sequence().stopped())).toList();
        running.removeIf(one -> one.sequence().ended());
        return finished;
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

    /** Frees the memory; sequences under way are dropped. A second call does nothing. */
    @Override
    public void close() {
        decoder.close();
    }
}
