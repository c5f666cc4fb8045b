package io.sails4j.utility;

import java.util.Locale;

/** What is measured of a model's use. */
public enum UtilityMeasure {
    /** exp of the mean -ln p of a text's tokens. */
    PERPLEXITY(false),
    /** The same in bits a byte of UTF-8. */
    BITS_PER_BYTE(false),
    /** The share of questions whose right choice is the likeliest. */
    CHOICE_ACC(true),
    /** The share of questions whose right choice is the likeliest a character. */
    CHOICE_ACC_NORM(true),
    /** The mean KL divergence from the base model, in nats a token of the base model's answers. */
    KL_FROM_BASE(false);

    private final boolean rate;

    UtilityMeasure(boolean rate) {
        this.rate = rate;
    }

    /** The name in files: {@code perplexity}. */
    public String key() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Whether it is a share, and not a mean. */
    public boolean isRate() {
        return rate;
    }
}
