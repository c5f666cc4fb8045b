package io.sails4j.judge;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Scores that a text states in words: {@code #thescore: 4}, {@code Score: 4 out of 5}, {@code 4/5}, or a number alone. */
final class StatedScores {
    private static final String NUMBER = "(?<number>[-+]?\\d++(?:\\.\\d++)?)";
    private static final String SCALE = "(?:\\s*(?:/|out\\s+of)\\s*(?<scale>\\d++))?";
    /** "a score of 1 to 5" and "scores 1-5" tell the scale. */
    private static final String NO_RANGE = "(?!\\s*(?:-|–|to|or)\\s*\\d)";
    private static final String MARKUP = "[\\s*_\"'`]*";
    private static final Pattern LABELLED = Pattern.compile("\\b(?:the)?(?:score|rating)\\b" + MARKUP
        + "(?:\\([^)]{0,40}\\)|\\[[^]]{0,40}\\])?" + MARKUP + "(?:(?:is|of|would be|[:=]|[-–—](?=\\s))" + MARKUP + "){0,3}" + NUMBER + SCALE
        + NO_RANGE, Pattern.CASE_INSENSITIVE);
    private static final Pattern OF_FIVE = Pattern.compile("(?<![\\d./-])" + NUMBER + "\\s*(?:/|out\\s+of)\\s*(?<scale>5)(?![\\d/]|\\.\\d)",
        Pattern.CASE_INSENSITIVE);
    private static final Pattern ALONE = Pattern.compile("[\\s*_\"'`#.\\[\\]()]*" + NUMBER + "[\\s*_\"'`.\\[\\]()]*");

    private StatedScores() {
    }

    /**
     * One of them.
     *
     * @param words as they stand in the text
     * @param number as it is written, so that 4 and 4.0 are the same and 4.5 is none of the five
     * @param scale the number that it is out of, 5 where none is told
     */
    record Stated(String words, double number, int scale) {
        boolean isLevel() {
            return scale == 5 && number >= 1 && number <= 5 && number == Math.rint(number);
        }
    }

    /** Those of a text, in its order. */
    static List<Stated> in(String text) {
        Matcher alone = ALONE.matcher(text);
        if (alone.matches()) {
            return List.of(new Stated("", Double.parseDouble(alone.group("number")), 5));
        }
        List<Stated> found = new ArrayList<>(all(LABELLED.matcher(text)));
        if (found.isEmpty()) {
            found.addAll(all(OF_FIVE.matcher(text)));
        }
        return found;
    }

    private static List<Stated> all(Matcher matcher) {
        List<Stated> found = new ArrayList<>();
        while (matcher.find()) {
            String scale = matcher.group("scale");
            int outOf = scale == null ? 5 : scale.length() > 9 ? 0 : Integer.parseInt(scale);
            found.add(new Stated(matcher.group(), Double.parseDouble(matcher.group("number")), outOf));
        }
        return found;
    }
}
