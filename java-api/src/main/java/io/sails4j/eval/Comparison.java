package io.sails4j.eval;

import io.sails4j.data.Wanted;
import io.sails4j.stats.Interval;
import org.jspecify.annotations.Nullable;

/**
 * Two arms beside one another, over the prompts of which the judge has decided both answers.
 *
 * @param file whose prompts they are, null = all files'
 * @param difference the second's number minus the first's, with the interval of a bootstrap over prompts
 * @param onlyFirst prompts with which a rate counts the first alone; 0 for a mean
 * @param onlySecond prompts with which it counts the second alone
 * @param p of McNemar's exact test that the two rates are the same; NaN for a mean
 */
public record Comparison(String first, String second, String judge, Measure measure, Wanted wanted, @Nullable String file,
    Interval difference, long n, long onlyFirst, long onlySecond, double p) {
}
