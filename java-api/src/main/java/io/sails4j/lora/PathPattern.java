package io.sails4j.lora;

import io.sails4j.files.JsonObject;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.jspecify.annotations.Nullable;

/** A regular expression from a file, held against module paths in bounded time: it may come from anyone. */
final class PathPattern {
    /** Far more than any sensible expression needs for a path of about 40 characters, far less than a second. */
    private static final int MAX_READS = 2_000_000;

    private final JsonObject json;
    private final String key;
    private final Pattern pattern;

    private PathPattern(JsonObject json, String key, Pattern pattern) {
        this.json = json;
        this.key = key;
        this.pattern = pattern;
    }

    /** Compiles an expression of the field {@code key}; {@code before} and {@code after} are put around it. */
    static PathPattern compile(JsonObject json, String key, String before, String text, String after) {
        try {
            // Python names groups (?P<name>...), Java (?<name>...).
            Pattern.compile(text.replace("(?P<", "(?<"));
            return new PathPattern(json, key, Pattern.compile(before + text.replace("(?P<", "(?<") + after));
        } catch (PatternSyntaxException e) {
            throw json.wrong(key, "'" + text.replaceAll("\\s+", " ") + "'", "a regular expression (" + e.getDescription() + ")");
        }
    }

    /** Whether the whole path fits. */
    boolean fits(String path) {
        return bounded(path, Matcher::matches);
    }

    /** The matcher after its look at the path's beginning, for groups; null where it does not fit. */
    @Nullable
    Matcher at(String path) {
        Matcher[] used = new Matcher[1];
        return bounded(path, m -> {
            used[0] = m;
            return m.lookingAt();
        }) ? used[0] : null;
    }

    private boolean bounded(String path, Predicate<Matcher> question) {
        try {
            return question.test(pattern.matcher(new Counted(path)));
        } catch (TooMuch | StackOverflowError e) {
            throw json.wrong(key, "'" + pattern.pattern() + "'", "an expression that does not take forever on paths such as " + path);
        }
    }

    private static final class TooMuch extends RuntimeException {
        private static final long serialVersionUID = 1;
    }

    private static final class Counted implements CharSequence {
        private final String text;
        private int reads;

        Counted(String text) {
            this.text = text;
        }

        @Override
        public int length() {
            return text.length();
        }

        @Override
        public char charAt(int index) {
            if (++reads > MAX_READS) {
                throw new TooMuch();
            }
            return text.charAt(index);
        }

        @Override
        public CharSequence subSequence(int start, int end) {
            return text.subSequence(start, end);
        }

        @Override
        public String toString() {
            return text;
        }
    }
}
