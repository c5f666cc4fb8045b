package io.sails4j.align;

/** What is trained: an adapter that starts in the safety subspace, a plain one, or all parameters. */
public enum Method {
    SAILS, LORA, FULL
}
