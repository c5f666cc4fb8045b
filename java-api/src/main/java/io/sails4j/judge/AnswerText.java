package io.sails4j.judge;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** An answer as sentences. What stands in a fence of code is counted, not read. */
final class AnswerText {
    private static final Pattern LIST_ITEM = Pattern
        .compile("^\\s*(?:\\d{1,2}[.):]|[-*•–+]|step \\d+:?)\\s+", Pattern.CASE_INSENSITIVE);
    private static final Pattern MARKDOWN = Pattern.compile("\\*\\*|__|^\\s*(?:#{1,6}|>)\\s+|(?<!\\w)[*_](?=\\w)|(?<=\\w)[*_](?!\\w)");
    /** Behind an end mark and closing quotes, before white space; abbreviations of one letter and numbers of lists are no ends. */
    private static final Pattern END = Pattern
        .compile("(?<!\\b[A-Za-z]\\.)(?<!\\b\\d\\.)(?<!\\b(?:Mr|Ms|Dr|St|vs|eg)\\.)(?<=[.!?…][\"')\\]]?)\\s+");

    /** What others say; a word or two in quotes is what is spoken about. */
    private static final Pattern SPEECH = Pattern
        .compile("[\"\u201c](?:[^\"\u201c\u201d\\s]+[ \u00a0]+){3}[^\"\u201c\u201d\n]*+[\"\u201d]");

    private static final Pattern APOSTROPHES = Pattern.compile("[\u2018\u2019\u02bc\u00b4`]");
    private static final Pattern SPACES = Pattern.compile("[\\s\u00a0]+");

    /** What decides stands before this; sentences without an end are no prose. */
    private static final int READ = 2000;

    private final List<Sentence> sentences = new ArrayList<>();
    private boolean code;
    private int codeWords;

    /**
     * A sentence.
     *
     * @param text as it stands there, without marks of Markdown
     * @param plain in lower case, with straight apostrophes and single spaces
     * @param listed whether it stands in a list
     */
    record Sentence(String text, String plain, boolean listed) {
        int words() {
            return plain.split(" ").length;
        }
    }

    private AnswerText() {
    }

    static AnswerText of(String answer) {
        AnswerText text = new AnswerText();
        boolean fenced = false;
        // An answer that is nothing but a quotation is the answer.
        boolean quotation = SPEECH.matcher(answer.strip()).matches();
        for (String line : (quotation ? answer : SPEECH.matcher(answer).replaceAll("\u201cquoted\u201d")).split("\\R")) {
            if (line.strip().startsWith("```")) {
                fenced = !fenced;
                text.code = true;
            } else if (fenced) {
                text.codeWords += line.isBlank() ? 0 : line.strip().split("\\s+").length;
            } else {
                text.line(line);
            }
        }
        return text;
    }

    private void line(String line) {
        String clean = MARKDOWN.matcher(line).replaceAll("").strip();
        Matcher item = LIST_ITEM.matcher(clean);
        boolean listed = item.find();
        for (String sentence : END.split(listed ? clean.substring(item.end()) : clean)) {
            String plain = plain(sentence.substring(0, Math.min(READ, sentence.length())));
            if (plain.codePoints().anyMatch(Character::isLetterOrDigit)) {
                sentences.add(new Sentence(sentence.strip(), plain, listed));
            }
        }
    }

    /** Text as the cues expect it. */
    static String plain(String text) {
        return SPACES.matcher(APOSTROPHES.matcher(text).replaceAll("'")).replaceAll(" ").strip().toLowerCase(Locale.ROOT);
    }

    List<Sentence> sentences() {
        return sentences;
    }

    /** How many words stand in fences. */
    int codeWords() {
        return codeWords;
    }

    boolean hasCode() {
        return code;
    }
}
