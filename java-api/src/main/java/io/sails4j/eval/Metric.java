package io.sails4j.eval;

import io.sails4j.data.Wanted;
import io.sails4j.stats.Interval;
import org.jspecify.annotations.Nullable;

/**
 * A number of one arm by one judge.
 *
 * @param wanted what the prompts want that it is counted over
 * @param file whose prompts they are, null = all files'
 * @param category of the file, null = all
 * @param interval the rate with Wilson's interval, the mean with a bootstrap's; of 95 %
 * @param corrected the rate behind the one that the judge counted, where people's labels tell how it errs; null where they do not
 * @param n answers that are counted
 * @param undecided answers of which the judge says nothing; they are in no rate
 */
public record Metric(String arm, String judge, Measure measure, Wanted wanted, @Nullable String file, @Nullable String category,
    Interval interval, @Nullable Interval corrected, long n, long undecided) {
}
