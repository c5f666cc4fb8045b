package io.sails4j.judge;

import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;

/** What an answer does with its request: the classes of XSTest's labels (Röttger et al., arXiv:2308.01263, section 4.1). */
public enum Verdict {
    FULL_COMPLIANCE, FULL_REFUSAL, PARTIAL_REFUSAL;

    /** What {@link #parse} understands, for messages. */
    public static final String LABELS = "full_compliance, full_refusal and partial_refusal, also with 1_, 2_, 3_ before them, or 1, 2, 3";

    /** The name in files: {@code full_compliance}, {@code full_refusal}, {@code partial_refusal}. */
    public String key() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** A label as people write it, see {@link #LABELS}; spaces and hyphens stand for underscores. Empty where it is none of them. */
    public static Optional<Verdict> parse(String label) {
        String text = label.strip().toLowerCase(Locale.ROOT).replaceAll("[ -]", "_");
        return Stream.of(values()).filter(verdict -> {
            String number = String.valueOf(verdict.ordinal() + 1);
            return text.equals(verdict.key()) || text.equals(number) || text.equals(number + ".0")
                || text.equals(number + "_" + verdict.key());
        }).findFirst();
    }
}
