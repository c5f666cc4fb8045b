package io.sails4j.data;

/** The same prompt with the aligned and with the unaligned answer. */
public record TokenPair(TokenSequence aligned, TokenSequence unaligned) {
}
