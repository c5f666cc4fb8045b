package io.sails4j.monitor;

/** The active features of one token, valid during the call that gets it. */
public interface TokenView {
    /** From 0, the prompt's first token. */
    int position();

    /** The token's id. */
    int id();

    /** Layers that are read, rising. */
    int[] layers();

    /** How many watched features of a layer's SAE are active; all features are watched where the monitor was told so. */
    int active(int layer);

    /** Active features of a layer that there was no room to show; 0 but where thousands are active, as at BOS. */
    int missing(int layer);

    /** The id of one of them, from 0, rising. */
    int feature(int layer, int at);

    /** Its activation. */
    float activation(int layer, int at);
}
