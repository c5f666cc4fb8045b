package io.sails4j.explain;

/**
 * A token where a feature fires most among those of its sequence.
 *
 * @param side 0 of the aligned answers, 1 of the unaligned ones
 * @param sequence its number in the corpus: the aligned answers come first
 * @param position of the token in the sequence
 */
public record Peak(int side, int sequence, int position, float activation) {
}
