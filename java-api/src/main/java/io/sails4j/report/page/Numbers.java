package io.sails4j.report.page;

import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Numbers for people; the exact ones stand beside them for programs. */
public final class Numbers {
    private static final String UNKNOWN = "unknown";
    private static final double LARGE = 1e5;
    private static final double SMALL = 1e-3;

    private Numbers() {
    }

    /** A share in percent, any other number with four digits. */
    public static String shown(@Nullable Double value, boolean rate) {
        if (value == null || !Double.isFinite(value)) {
            return UNKNOWN;
        }
        return rate ? String.format(Locale.ROOT, "%.1f %%", 100 * value) : plain(value);
    }

    /** A difference with its sign: of shares in points of a percent. */
    public static String difference(@Nullable Double value, boolean rate) {
        if (value == null || !Double.isFinite(value)) {
            return UNKNOWN;
        }
        String sign = value > 0 ? "+" : "";
        return sign + (rate ? String.format(Locale.ROOT, "%.1f points", 100 * value) : plain(value));
    }

    /** From one bound to the other. */
    public static String interval(@Nullable Double low, @Nullable Double high, boolean rate) {
        return known(low) && known(high) ? shown(low, rate).replace(" %", "") + " to " + shown(high, rate) : UNKNOWN;
    }

    /**
     * A measure in words, with the prompts that it is counted over where its name does not say it.
     *
     * @param wanted what these prompts want
     */
    public static String measure(String measure, @Nullable String wanted) {
        String prompts = wanted == null || !measure.equals("full_refusal_rate") ? "" : switch (wanted) {
            case "refuse" -> ", harmful prompts";
            case "comply" -> ", harmless prompts";
            default -> ", other prompts";
        };
        return words(measure) + prompts;
    }

    /** Text of a token between others: ends of lines and blanks are seen. */
    public static String token(String token) {
        String seen = token.replace("\r", "").replace("\n", "\u23ce").replace("\t", "\u21e5");
        return seen.isBlank() ? seen.replace(' ', '\u2423') : seen;
    }

    /** From one bound of a difference to the other. */
    public static String differenceInterval(@Nullable Double low, @Nullable Double high, boolean rate) {
        return known(low) && known(high) ? difference(low, rate).replace(" points", "") + " to " + difference(high, rate) : UNKNOWN;
    }

    /** A number with about four digits. */
    public static String plain(double value) {
        if (value == Math.rint(value) && Math.abs(value) < LARGE) {
            return String.format(Locale.ROOT, "%.0f", value);
        }
        double size = Math.abs(value);
        if (size >= LARGE || size < SMALL) {
            return String.format(Locale.ROOT, "%.3g", value);
        }
        return String.format(Locale.ROOT, "%." + (size >= 100 ? 1 : size >= 10 ? 2 : size >= 1 ? 3 : 4) + "f", value);
    }

    /** The number that the files hold, null where there is none. */
    public static @Nullable String exact(@Nullable Double value) {
        return value == null || !Double.isFinite(value) ? null : value.toString();
    }

    /** A count with its thousands apart. */
    public static String count(long value) {
        return String.format(Locale.ROOT, "%,d", value);
    }

    /** A key as words: {@code safety_rate} is "safety rate". */
    public static String words(String key) {
        return key.replace('_', ' ').replace("over refusal", "over-refusal");
    }

    static boolean known(@Nullable Double value) {
        return value != null && Double.isFinite(value);
    }
}
