package io.sails4j.model;

import io.sails4j.InputException;
import io.sails4j.tensor.Backend;

/**
 * How many sequences are generated at a time. Of the three numbers only the first may change without changing bits.
 *
 * @param sequences that are under way at once
 * @param rows of every decoding step: sequences step in groups of so many, idle rows among them
 * @param capacity tokens that a sequence has room for, prompt and answer together
 */
public record BatchOptions(int sequences, int rows, int capacity) {
    /** More sequences than any device has room for: what is above is a slip, and arrays of it would take the memory first. */
    public static final int MOST_SEQUENCES = 65_536;
    private static final int ROOM = 64;

    public BatchOptions {
        if (sequences < 1 || sequences > MOST_SEQUENCES) {
            throw new InputException("batch is " + sequences + ", expected 1 to " + MOST_SEQUENCES + " sequences at a time");
        }
        if (rows < 1 || rows > MOST_SEQUENCES) {
            throw new InputException("decode_rows is " + rows + ", expected 1 to " + MOST_SEQUENCES + " rows of a decoding step");
        }
        if (capacity < 2) {
            throw new InputException("the room of a sequence is " + capacity + " tokens, expected 2 or more");
        }
    }

    /**
     * Room for sequences of a length, given in steps, so that a prompt that is a token longer seldom changes it.
     *
     * @param longest tokens of the longest prompt and its answer
     * @param most positions of the model
     */
    public static BatchOptions of(int sequences, int rows, int longest, int most) {
        return new BatchOptions(sequences, rows, Math.min(Math.ceilDiv(longest, ROOM) * ROOM, most));
    }

    /**
     * Whether a sequence has room.
     *
     * @throws InputException where the prompt is empty, or too long for the room of a sequence
     */
    public void requireFits(int[] prompt, GenerationOptions options) {
        if (prompt.length == 0) {
            throw new InputException("the prompt has no tokens; it needs at least the BOS token");
        }
        if ((long) prompt.length + options.maxNewTokens() > capacity) {
            throw new InputException("the prompt has " + prompt.length + " tokens and " + options.maxNewTokens()
                + " new ones are asked for, more than the room of " + capacity + ", expected at most " + capacity
                + " together; give sequences more room, or ask for fewer tokens");
        }
    }

    /** The rows of a decoding step that suit a backend where nobody chose them. */
    public static int rowsOf(Backend backend) {
        return switch (backend) {
            case CPU -> 32;
            case CUDA -> 64;
            case EMULATOR -> 4;
        };
    }
}
