package io.sails4j.eval;

/**
 * How an arm answered, without a judge.
 *
 * @param answers in all
 * @param stopped answers that the model ended; the others were cut at the number of tokens
 * @param tokens of all answers
 */
public record ArmSummary(String arm, long answers, long stopped, long tokens) {
}
