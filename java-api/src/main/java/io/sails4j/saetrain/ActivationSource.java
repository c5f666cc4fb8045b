package io.sails4j.saetrain;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;

/** Vectors to train on, of one place or of several places of the same tokens, in an order that a seed decides. */
public sealed interface ActivationSource extends AutoCloseable permits StoredActivations, ModelActivations {
    /** Stands for the place where it is not known. */
    int NO_LAYER = -1;

    /** The layers after which the residual stream is meant; {@link #NO_LAYER} alone where the file does not tell. */
    List<Integer> layers();

    /** Length of the vectors. */
    int dIn();

    /** What the vectors are of, for sentences. */
    String name();

    /** The first vectors of each layer, [n * dIn] each, without taking them; at most as many as there are. */
    float[][] peek(int n);

    /** The next n vectors of each layer, [n * dIn] each; after the last comes the first of another order. */
    float[][] next(int n);

    /** Where it stands. */
    void putState(ObjectNode json);

    /** Goes on from there. */
    void restore(JsonNode json);

    /** Bytes on the host that hold vectors at once. */
    long bufferBytes();

    @Override
    void close();
}
