package io.sails4j.data;

import java.util.ArrayList;
import java.util.List;

/**
 * White space as Python's {@code str.strip} and {@code str.isspace} know it, which is what chat templates were written and models were
 * trained with. Java's {@code strip} leaves U+0085, U+00A0, U+2007 and U+202F.
 */
final class PythonText {
    private PythonText() {
    }

    /** Whether Python counts a character as white space. All of them lie in the basic plane. */
    static boolean isSpace(char c) {
        return c >= '\t' && c <= '\r' || c >= 0x1c && c <= ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 || c >= 0x2000 && c <= 0x200a
            || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
    }

    /** The text without white space at its ends. */
    static String strip(String text) {
        return stripBegin(stripEnd(text));
    }

    /** The text without white space at its beginning, as {@code str.lstrip}. */
    static String stripBegin(String text) {
        int begin = 0;
        while (begin < text.length() && isSpace(text.charAt(begin))) {
            begin++;
        }
        return text.substring(begin);
    }

    /** The text without white space at its end, as {@code str.rstrip}. */
    static String stripEnd(String text) {
        int end = text.length();
        while (end > 0 && isSpace(text.charAt(end - 1))) {
            end--;
        }
        return text.substring(0, end);
    }

    /** What stands between white space, as {@code str.split} without a separator. */
    static List<String> words(String text) {
        List<String> words = new ArrayList<>();
        int begin = -1;
        for (int i = 0; i <= text.length(); i++) {
            boolean between = i == text.length() || isSpace(text.charAt(i));
            if (between && begin >= 0) {
                words.add(text.substring(begin, i));
                begin = -1;
            } else if (!between && begin < 0) {
                begin = i;
            }
        }
        return words;
    }

    /** Whether nothing is left of the text when it is stripped. */
    static boolean isBlank(String text) {
        return strip(text).isEmpty();
    }
}
