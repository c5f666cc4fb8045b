package io.sails4j.judge;

import io.sails4j.files.FileHash;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The message to a judging model: rubric, the texts to judge between marks, and the question. The mark follows from the texts and occurs in
 * neither, so that a text cannot close its own frame.
 */
final class JudgeText {
    private static final Pattern FIELD = Pattern.compile("\\{([a-z]+)\\}");
    private static final int MARK_LENGTH = 16;

    private final String frame = Rubric.resource("frame.txt").strip();
    private final Rubric rubric;
    private final String question;

    /** @param question ends the message: the form of the answer */
    JudgeText(Rubric rubric, String question) {
        this.rubric = rubric;
        this.question = question;
    }

    String of(Exchange exchange) {
        Map<String, String> fields = Map.of("rubric", rubric.text(), "mark", mark(exchange), "prompt", exchange.prompt(), "completion",
            exchange.completion(), "question", question);
        // In one pass: what a text has in braces is left as it is.
        return FIELD.matcher(frame).replaceAll(found -> Matcher.quoteReplacement(fields.get(found.group(1))));
    }

    private static String mark(Exchange exchange) {
        String both = exchange.prompt() + "\0" + exchange.completion();
        String mark = FileHash.sha256OfText(both).substring(0, MARK_LENGTH);
        while (both.contains(mark)) {
            mark = FileHash.sha256OfText(mark + both).substring(0, MARK_LENGTH);
        }
        return mark;
    }
}
