package io.sails4j.monitor;

import io.sails4j.data.TokenSequence;

/**
 * A text that should raise an alarm, or should not.
 *
 * @param tokens of which the counted ones are looked at
 * @param alarm whether it should
 * @param group texts of one group choose the threshold together or test it together, as the two answers to one prompt
 */
public record CalibrationText(TokenSequence tokens, boolean alarm, int group) {
}
