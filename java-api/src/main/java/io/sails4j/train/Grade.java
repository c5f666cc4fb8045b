package io.sails4j.train;

/**
 * What an answer is worth.
 *
 * @param reward the higher the better; a number that is not finite ends the run
 * @param refusal 1 for an answer that refuses, 0 for one that complies, between them for one that does something of both, NaN where nobody
 *     said; for the metrics alone
 * @param decided whether whoever grades could tell; for the metrics alone
 */
public record Grade(double reward, double refusal, boolean decided) {
    /** A reward of which nothing else is known. */
    public static Grade of(double reward) {
        return new Grade(reward, Double.NaN, true);
    }
}
