package io.sails4j.model;

import io.sails4j.InputException;
import io.sails4j.tensor.Backend;

/**
 * How many sequences are generated at a time. Of the numbers only the first and the last may change without changing bits.
 *
 * @param sequences that are under way at once
 * @param rows of every decoding step: sequences step in groups of so many, idle rows among them
 * @param capacity tokens that a sequence has room for, prompt and answer together
 * @param cachePages pages of {@value #PAGE_TOKENS} tokens that there are for the keys and values of all sequences together
 */
public record BatchOptions(int sequences, int rows, int capacity, int cachePages) {
    /** More sequences than any device has room for: what is above is a slip, and arrays of it would take the memory first. */
    public static final int MOST_SEQUENCES = 65_536;
    /** Tokens whose keys and values lie in one piece of memory: at most so many places less one are empty in a sequence. */
    public static final int PAGE_TOKENS = 16;
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
        if (cachePages < 1) {
            throw new InputException("there are " + cachePages + " pages for keys and values, expected 1 or more");
        }
    }

    /** Pages for all sequences at their longest: none waits for another's. */
    public BatchOptions(int sequences, int rows, int capacity) {
        this(sequences, rows, capacity,
            (int) Math.min(Integer.MAX_VALUE, Math.max(1L, sequences) * PagePool.pagesOf(Math.max(1, capacity))));
    }

    /** Bytes that a page of a model's keys and values takes, in all layers. */
    public static long pageBytes(CausalModel model) {
        return 2L * model.config().nLayers() * PAGE_TOKENS * model.config().kvWidth() * model.computeDtype().byteSize();
    }

    /** The same with as many pages as so much memory holds, or as many as all sequences can need where that is less. */
    public BatchOptions withCacheBytes(long bytes, CausalModel model) {
        long pages = bytes / pageBytes(model);
        return new BatchOptions(sequences, rows, capacity, (int) Math.min(cachePages, pages));
    }

    /** Tokens of the longest sequence that has room: as many as it may be long, or as there are pages for. */
    public int mostTokens() {
        return (int) Math.min(capacity, (long) cachePages * PAGE_TOKENS);
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
        if ((long) prompt.length + options.maxNewTokens() > mostTokens()) {
            String asked = "the prompt has " + prompt.length + " tokens and " + options.maxNewTokens()
                + " new ones are asked for, more than ";
            throw new InputException(asked + (mostTokens() == capacity ? "the room of " + capacity + ", expected at most " + capacity
                + " together; give sequences more room, or ask for fewer tokens"
                : "the memory for keys and values holds: it has room for " + mostTokens()
                    + " tokens of all sequences together; give it more memory, or ask for fewer tokens"));
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
