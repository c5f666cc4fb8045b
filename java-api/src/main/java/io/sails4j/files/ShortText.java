package io.sails4j.files;

/** Foreign words that a sentence quotes, cut where they are long. */
public final class ShortText {
    private static final String CUT = "...";

    private ShortText() {
    }

    /** The text, or as much of its beginning as {@code longest} characters of Java hold with the dots, no character of it halved. */
    public static String of(String text, int longest) {
        if (text.length() <= longest) {
            return text;
        }
        int end = longest - CUT.length();
        return text.substring(0, Character.isHighSurrogate(text.charAt(end - 1)) ? end - 1 : end) + CUT;
    }
}
