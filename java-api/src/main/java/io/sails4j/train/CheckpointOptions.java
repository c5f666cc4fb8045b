package io.sails4j.train;

import io.sails4j.io.InputException;

/**
 * When the state of a run is written.
 *
 * @param every optimizer steps between checkpoints; 0 = at the end and when the run is stopped alone
 * @param keep how many stand at once; an older one is removed only after a newer one is complete
 */
public record CheckpointOptions(long every, int keep) {
    public CheckpointOptions {
        if (every < 0) {
            throw new InputException("checkpoint_every is " + every + ", expected 0 (only at the end) or more steps");
        }
        if (keep < 1) {
            throw new InputException("keep_checkpoints is " + keep + ", expected 1 or more");
        }
    }

    public static CheckpointOptions defaults() {
        return new CheckpointOptions(100, 2);
    }
}
