package io.sails4j.monitor;

import io.sails4j.sae.SaeReader;

/**
 * A reader of a layer's SAE, with the room that a token's active features get.
 *
 * @param capacity of the codes; what a reader of all features has not got room for is counted
 */
record LayerWatch(int layer, SaeReader reader, int capacity) implements AutoCloseable {
    /** More features than this are active at BOS alone, in the SAEs that people publish. */
    private static final int WHOLE_ROOM = 2048;

    LayerWatch(int layer, SaeReader reader) {
        this(layer, reader, Math.min(reader.width(), Math.max(reader.features().length, WHOLE_ROOM)));
    }

    @Override
    public void close() {
        reader.close();
    }
}
