package io.sails4j.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/** Tokens as text that people can check. */
public final class TokenText {
    private static final String REPLACEMENT = "\ufffd";
    /** The longest character of UTF-8 in bytes, and so in tokens. */
    private static final int MAX_PIECE = 4;
    private static final int BRIEF_ANSWER = 48;
    /** Long enough for the end of the question before the control tokens. */
    private static final int BRIEF_PROMPT = 96;

    private TokenText() {
    }

    /**
     * Every token of a sequence: {@code |} stands between them, the counted ones stand in {@code [ ]}. Tokens that only together are a
     * character stand together. Line ends and control characters are escaped.
     */
    public static String marked(Tokenizer tokenizer, TokenSequence sequence) {
        StringBuilder text = new StringBuilder();
        int[] ids = sequence.ids();
        int next;
        for (int i = 0; i < ids.length; i = next) {
            next = i + pieceLength(tokenizer, ids, i);
            String piece = escape(tokenizer.decode(Arrays.copyOfRange(ids, i, next), false));
            text.append(i == 0 ? "" : "|").append(sequence.counted()[i] ? "[" + piece + "]" : piece);
        }
        return text.toString();
    }

    /**
     * The text of each token. Of tokens that only together are a character the first has it, and the others are empty.
     */
    public static List<String> pieces(Tokenizer tokenizer, int[] ids) {
        List<String> pieces = new ArrayList<>();
        int next;
        for (int i = 0; i < ids.length; i = next) {
            next = i + pieceLength(tokenizer, ids, i);
            pieces.add(tokenizer.decode(Arrays.copyOfRange(ids, i, next), false));
            pieces.addAll(Collections.nCopies(next - i - 1, ""));
        }
        return pieces;
    }

    /** How many tokens from a place on are needed for whole characters; one where nothing helps. */
    private static int pieceLength(Tokenizer tokenizer, int[] ids, int from) {
        for (int n = 1; n <= MAX_PIECE && from + n <= ids.length; n++) {
            if (!tokenizer.decode(Arrays.copyOfRange(ids, from, from + n), false).contains(REPLACEMENT)) {
                return n;
            }
        }
        return 1;
    }

    /** A pair in one line: how the prompt ends, and both answers, as far as they are counted. */
    static String brief(Tokenizer tokenizer, TokenPair pair) {
        int[] ids = pair.aligned().ids();
        int begin = 0;
        while (begin < ids.length && !pair.aligned().counted()[begin]) {
            begin++;
        }
        String prompt = escape(tokenizer.decode(Arrays.copyOf(ids, begin), false));
        String end = prompt.length() <= BRIEF_PROMPT ? prompt : "..." + tail(prompt, BRIEF_PROMPT);
        return "prompt " + quoted(end, begin)
            + ", aligned " + answer(tokenizer, pair.aligned()) + ", unaligned " + answer(tokenizer, pair.unaligned());
    }

    private static String answer(Tokenizer tokenizer, TokenSequence sequence) {
        int[] ids = sequence.ids();
        String text = escape(tokenizer.decode(Arrays.copyOfRange(ids, ids.length - sequence.countedTokens(), ids.length), false));
        return text.length() <= BRIEF_ANSWER ? quoted(text, sequence.countedTokens())
            : quoted(head(text, BRIEF_ANSWER / 2) + "..." + tail(text, BRIEF_ANSWER / 2),
                sequence.countedTokens());
    }

    /** The first characters, none of them halved. */
    private static String head(String text, int length) {
        return text.substring(0, Character.isHighSurrogate(text.charAt(length - 1)) ? length - 1 : length);
    }

    private static String tail(String text, int length) {
        int from = text.length() - length;
        return text.substring(Character.isLowSurrogate(text.charAt(from)) ? from + 1 : from);
    }

    private static String quoted(String text, int tokens) {
        return "\"" + text + "\" (" + tokens + " tokens)";
    }

    /** Line ends, control characters and characters without a shape as escapes, so that a terminal shows the text and does not obey it. */
    public static String escape(String text) {
        StringBuilder escaped = new StringBuilder();
        text.codePoints().forEach(c -> {
            switch (c) {
                case '\n' -> escaped.append("\\n");
                case '\r' -> escaped.append("\\r");
                case '\t' -> escaped.append("\\t");
                default -> {
                    if (Character.isISOControl(c) || Character.getType(c) == Character.FORMAT && c < 0x10000) {
                        escaped.append(String.format("\\u%04x", c));
                    } else {
                        escaped.appendCodePoint(c);
                    }
                }
            }
        });
        return escaped.toString();
    }
}
