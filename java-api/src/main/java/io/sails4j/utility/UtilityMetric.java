package io.sails4j.utility;

import io.sails4j.stats.Interval;
import org.jspecify.annotations.Nullable;

/**
 * A number of one arm.
 *
 * @param file of the texts, questions or prompts
 * @param category the subject, null = all of the file
 * @param interval of 95 %: a rate's is Wilson's, the others' a bootstrap's over documents or prompts; its bounds are NaN where there is one
 *     case alone
 * @param n documents, questions or prompts
 * @param tokens that are counted, 0 for questions
 */
public record UtilityMetric(String arm, UtilityMeasure measure, String file, @Nullable String category, Interval interval, long n,
    long tokens) {
}
