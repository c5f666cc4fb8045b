package io.sails4j.serving;

import io.sails4j.InputException;
import io.sails4j.model.BatchOptions;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;
import io.sails4j.tensor.Backend;

/** How many requests a model answers at a time, and how. */
@OptionGroup("Scheduling")
public record SchedulerOptions(
    @Described(value = "requests that are answered at a time; each has a cache for keys and values", label = "N",
        decides = false) int sequences,
    @Described(value = "tokens that a request has room for, prompt and answer together; 0 = 4096, or what the model can",
        label = "N") int room,
    @Described(value = "rows of a decoding step; 0 = by the backend", label = "N") int decodeRows,
    @Described(value = "tokens of a prompt that are read between two steps of the others", label = "N") int prefillChunk,
    @Described(value = "requests that may wait; one more is refused", label = "N", decides = false) int queue) {
    private static final int USUAL_ROOM = 4096;

    public SchedulerOptions {
        int most = BatchOptions.MOST_SEQUENCES;
        InputException.requireOption(sequences >= 1 && sequences <= most, "sequences", sequences, "1 to " + most + " at a time");
        InputException.requireOption(room == 0 || room >= 2, "room", room, "0 (by the model) or 2 or more tokens");
        InputException.requireOption(decodeRows >= 0 && decodeRows <= most, "decode_rows", decodeRows, "0 (by the backend) to " + most);
        InputException.requireOption(prefillChunk >= 1, "prefill_chunk", prefillChunk, "1 or more tokens");
        InputException.requireOption(queue >= 0, "queue", queue, "0 or more requests");
    }

    /** Sixteen at a time, chunks of 128 tokens, 256 waiting. */
    public static SchedulerOptions defaults() {
        return new SchedulerOptions(16, 0, 0, 128, 256);
    }

    /** @param most positions of the model */
    int roomOf(int most) {
        return room == 0 ? Math.min(USUAL_ROOM, most) : room;
    }

    /** Few rows leave more of a processor to prompts; a card computes many in the time of few. */
    int rowsOn(Backend backend) {
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
