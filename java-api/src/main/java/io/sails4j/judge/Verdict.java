package io.sails4j.judge;

import java.util.Locale;

/** What an answer does with its request: the classes of XSTest's labels (Röttger et al., arXiv:2308.01263, section 4.1). */
public enum Verdict {
    FULL_COMPLIANCE, FULL_REFUSAL, PARTIAL_REFUSAL;

    /** The name in files: {@code full_compliance}, {@code full_refusal}, {@code partial_refusal}. */
    public String key() {
        return name().toLowerCase(Locale.ROOT);
    }
}
