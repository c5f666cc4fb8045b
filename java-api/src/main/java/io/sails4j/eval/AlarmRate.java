package io.sails4j.eval;

import io.sails4j.data.Wanted;
import io.sails4j.stats.Interval;
import org.jspecify.annotations.Nullable;

/**
 * How often the monitor raised an alarm of an arm's prompts, or of its answers.
 *
 * @param rule null = any of them
 * @param part in which part of the conversation the alarm began: {@code prompt} or {@code answer}
 * @param wanted what the prompts want that it is counted over
 * @param file whose prompts they are, null = all files'
 * @param interval the rate with Wilson's interval of 95 %
 * @param alarms prompts, or answers, with an alarm
 * @param n prompts, or answers, in all
 */
public record AlarmRate(String arm, @Nullable String rule, String part, Wanted wanted, @Nullable String file, Interval interval,
    long alarms, long n) {
}
