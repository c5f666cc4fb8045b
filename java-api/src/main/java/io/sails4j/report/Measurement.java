package io.sails4j.report;

import com.fasterxml.jackson.annotation.JsonAlias;
import org.jspecify.annotations.Nullable;

/**
 * A number of one arm with its 95 % interval.
 *
 * @param judge who judged the answers, null where there is no judge
 * @param measure what it is: {@code safety_rate}
 * @param wanted what the prompts want that it is counted over: {@code refuse}, {@code comply}, {@code unknown}; null where it is no matter
 * @param file whose prompts they are, null = all files'
 * @param category of the file, null = all
 * @param value the estimate, null where nothing can be said
 * @param corrected the same behind a judge that errs, null where it is not known how
 * @param n what was counted
 * @param undecided what the judge said nothing of
 */
public record Measurement(String arm, @Nullable String judge, String measure, @Nullable String wanted, @Nullable String file,
    @Nullable String category, @JsonAlias("estimate") @Nullable Double value, @Nullable Double low, @Nullable Double high,
    @Nullable Corrected corrected, long n, @Nullable Long undecided) {
    public Measurement {
        Required.present(arm, "arm");
        Required.present(measure, "measure");
    }

    /** A rate behind the one that a judge counted. */
    public record Corrected(@Nullable Double value, @Nullable Double low, @Nullable Double high) {
    }

    /** Whether it is over all prompts that want the same. */
    public boolean isOverall() {
        return file == null && category == null;
    }

    /** Whether it is a share, which is shown in percent. */
    public boolean isRate() {
        return isRate(measure);
    }

    static boolean isRate(String measure) {
        return measure.endsWith("_rate") || measure.startsWith("choice_acc");
    }
}
