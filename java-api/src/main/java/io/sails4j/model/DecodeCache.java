package io.sails4j.model;

import io.sails4j.ops.Ops;

/** Where the keys and values of a decoding step go, and what is attended to. */
interface DecodeCache {
    /** Turns b.q in place, puts turned b.k and b.v behind what the layer's cache holds, and writes b.z. */
    void attend(Ops ops, DecodeBuffers b, int layer);
}
