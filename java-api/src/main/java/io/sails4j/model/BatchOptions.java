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
    public BatchOptions {
        if (sequences < 1) {
            throw new InputException("batch is " + sequences + ", expected 1 or more sequences at a time");
        }
        if (rows < 1) {
            throw new InputException("decode_rows is " + rows + ", expected 1 or more rows of a decoding step");
        }
        if (capacity < 2) {
            throw new InputException("the room of a sequence is " + capacity + " tokens, expected 2 or more");
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
