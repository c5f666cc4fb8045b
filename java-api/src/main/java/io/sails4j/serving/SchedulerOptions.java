package io.sails4j.serving;

import io.sails4j.InputException;
import io.sails4j.model.BatchOptions;
import io.sails4j.model.CausalModel;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;
import io.sails4j.tensor.Backend;

/** How many requests a model answers at a time, and how. */
@OptionGroup("Scheduling")
public record SchedulerOptions(
    @Described(value = "requests that are answered at a time", label = "N", decides = false) int sequences,
    @Described(value = "tokens that a request has room for, prompt and answer together; 0 = 4096, or what the model can",
        label = "N") int room,
    @Described(value = "rows of a decoding step; 0 = by the backend", label = "N") int decodeRows,
    @Described(value = "tokens of a prompt that are read between two steps of the others", label = "N") int prefillChunk,
    @Described(value = "requests that may wait; one more is refused", label = "N", decides = false) int queue,
    @Described(value = "memory for keys and values of all requests together, in MiB; who finds none left waits. 0 = enough for all at"
        + " their longest", label = "N", decides = false) int cacheMib) {
    private static final int USUAL_ROOM = 4096;
    private static final long MIB = 1L << 20;

    public SchedulerOptions {
        int most = BatchOptions.MOST_SEQUENCES;
        InputException.requireOption(sequences >= 1 && sequences <= most, "sequences", sequences, "1 to " + most + " at a time");
        InputException.requireOption(room == 0 || room >= 2, "room", room, "0 (by the model) or 2 or more tokens");
        InputException.requireOption(decodeRows >= 0 && decodeRows <= most, "decode_rows", decodeRows, "0 (by the backend) to " + most);
        InputException.requireOption(prefillChunk >= 1, "prefill_chunk", prefillChunk, "1 or more tokens");
        InputException.requireOption(queue >= 0, "queue", queue, "0 or more requests");
        InputException.requireOption(cacheMib >= 0, "cache_mib", cacheMib, "0 (enough for all) or more MiB");
    }

    /** With memory for the keys and values of all requests at their longest. */
    public SchedulerOptions(int sequences, int room, int decodeRows, int prefillChunk, int queue) {
        this(sequences, room, decodeRows, prefillChunk, queue, 0);
    }

    /** Sixteen at a time, chunks of 128 tokens, 256 waiting, memory for all. */
    public static SchedulerOptions defaults() {
        return new SchedulerOptions(16, 0, 0, 128, 256, 0);
    }

    /**
     * As a decoder takes them.
     *
     * @throws InputException where the room is more than the model's positions, or the memory is less than a page
     */
    BatchOptions batch(CausalModel model) {
        int most = model.config().maxPositionEmbeddings();
        InputException.requireOption(room <= most, "room", room, "at most the model's max_position_embeddings of " + most);
        BatchOptions all = new BatchOptions(sequences, rowsOn(model.engine().backend()), roomOf(most));
        long bytes = cacheMib * MIB;
        long least = BatchOptions.pageBytes(model);
        InputException.requireOption(cacheMib == 0 || bytes >= least, "cache_mib", cacheMib, "0 (enough for all) or at least "
            + Math.ceilDiv(least, MIB) + ", which " + BatchOptions.PAGE_TOKENS + " tokens of this model take");
        return cacheMib == 0 ? all : all.withCacheBytes(bytes, model);
    }

    /** @param most positions of the model */
    private int roomOf(int most) {
        return room == 0 ? Math.min(USUAL_ROOM, most) : room;
    }

    /** Few rows leave more of a processor to prompts; a card computes many in the time of few. */
    private int rowsOn(Backend backend) {
        if (decodeRows > 0) {
            return decodeRows;
        }
        return switch (backend) {
            case CPU -> 8;
            case CUDA -> 32;
            case EMULATOR -> 4;
        };
    }
}
