package io.sails4j.subspace;

/**
 * How a feature's activations are averaged: over all counted tokens, over the means of the sequences, or over each sequence's last counted
 * token.
 */
public enum Pooling {
    TOKEN, SEQUENCE, LAST
}
