package io.sails4j.utility;

import io.sails4j.data.Origin;
import java.util.List;

/**
 * A question with its possible answers.
 *
 * @param answer the place of the right one among the choices
 * @param subject in words
 * @param origin where it stands
 */
public record ChoiceQuestion(String question, List<String> choices, int answer, String subject, Origin origin) {
    /** More have no letter. */
    static final int MOST = 26;

    public ChoiceQuestion {
        choices = List.copyOf(choices);
        if (choices.size() < 2 || choices.size() > MOST || answer < 0 || answer >= choices.size()) {
            throw new IllegalArgumentException("answer " + answer + " of " + choices.size() + " choices, expected one of 2 to " + MOST);
        }
    }

    /** A, B, C, … */
    static String letter(int choice) {
        return String.valueOf((char) ('A' + choice));
    }
}
