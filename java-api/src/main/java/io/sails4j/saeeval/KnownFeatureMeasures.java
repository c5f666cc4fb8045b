package io.sails4j.saeeval;

/**
 * How many features that are known to be in the vectors were found.
 *
 * @param known how many there are
 * @param meanMaxCosine mean over them of the largest cosine with a decoder row
 * @param recovered share of them whose largest cosine reaches the limit
 */
public record KnownFeatureMeasures(int known, double meanMaxCosine, double recovered) {
}
