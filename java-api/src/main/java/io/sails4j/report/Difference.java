package io.sails4j.report;

import com.fasterxml.jackson.annotation.JsonAlias;
import org.jspecify.annotations.Nullable;

/**
 * Two arms beside one another over the same prompts.
 *
 * @param value the second's number minus the first's, null where nothing can be said
 * @param onlyFirst prompts with which a rate counts the first alone; null for a mean
 * @param onlySecond prompts with which it counts the second alone; null for a mean
 * @param mcnemarP p of McNemar's exact test that two rates are the same; null for a mean
 */
public record Difference(String first, String second, @Nullable String judge, String measure, @Nullable String wanted,
    @Nullable String file, @JsonAlias("estimate") @Nullable Double value, @Nullable Double low, @Nullable Double high, long n,
    @Nullable Long onlyFirst, @Nullable Long onlySecond, @Nullable Double mcnemarP) {
    public Difference {
        Required.present(first, "first");
        Required.present(second, "second");
        Required.present(measure, "measure");
    }

    /** Whether it is a difference of shares, which is shown in percent points. */
    public boolean isRate() {
        return Measurement.isRate(measure);
    }
}
