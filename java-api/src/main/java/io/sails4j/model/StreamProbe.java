package io.sails4j.model;

/**
 * Reads the residual stream of sequences while they are generated, every token of their prompts and of their answers once. What it computes
 * on the device is a part of the step, recorded with it where steps are; what it has read is looked at on the host behind each step,
 * token by token, by a listener that each sequence has for itself.
 */
public interface StreamProbe {
    /**
     * Places for what is read of at most so many tokens at a time.
     *
     * @param rows of a chunk of a prompt, or of a decoding step
     */
    Readings open(int rows);

    /**
     * What was read of the rows of one chunk or step. {@link #edit} queues the reading of all rows and may be recorded: it looks at nothing
     * on the host, and where it changes a row, it does so by numbers that lie on the device.
     */
    interface Readings extends StreamEdit, AutoCloseable {
        /** Waits for what was queued, and brings it to the host. */
        void fetch();

        /** Another sequence, or none, stands in some rows: they are changed by nobody until its listener says otherwise. */
        void clear(int row, int count);

        /** A copy of what was fetched of the first rows, which needs no device: readings of tokens that other prompts may share. */
        Readings kept(int rows);

        /** A second call does nothing. */
        @Override
        void close();
    }

    /** Who looks at the tokens of one sequence; it calls nothing of the decoder. What it throws ends the chunk or the step. */
    interface Listener {
        /**
         * The sequence's next tokens will stand in these rows; whoever stood there before is gone.
         *
         * @param count a whole chunk of the prompt, or 1 in decoding
         */
        void stands(Readings readings, int row, int count);

        /**
         * A token was read.
         *
         * @param readings that hold it in {@code row}
         * @param position from 0, the prompt's first token
         * @param id of the token
         * @return whether the sequence goes on; false ends it before another token comes
         */
        boolean token(Readings readings, int row, int position, int id);

        /** Whether the stream is still the model's own: where it was changed, other prompts must not share it. */
        boolean unchanged();
    }
}
