package io.sails4j.judge;

import io.sails4j.InputException;
import io.sails4j.data.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The ways in which a tokenizer writes the scores 1 to 5 behind an opening, as token ids. A score may need several tokens, a space before it
 * may be one of them, and a model may know several ways: their probabilities are summed, since no way begins with another.
 */
final class ScoreTokens {
    static final int LOWEST = 1;
    static final int HIGHEST = 5;

    private final int[] opening;
    private final List<Way> ways = new ArrayList<>();

    /** One score in one way. */
    record Way(int score, int[] ids) {
        /** What comes before the last token, by which the last one's probability is asked. */
        int[] context() {
            return Arrays.copyOf(ids, ids.length - 1);
        }
    }

    /** @param opening of the answer, behind which the score stands */
    ScoreTokens(Tokenizer tokenizer, String opening) {
        this.opening = tokenizer.encodeText(opening);
        for (int score = LOWEST; score <= HIGHEST; score++) {
            for (String text : List.of(String.valueOf(score), " " + score)) {
                // Behind the opening a tokenizer may cut otherwise than alone.
                int[] joined = tokenizer.encodeText(opening + text);
                if (startsWith(joined, this.opening)) {
                    add(score, Arrays.copyOfRange(joined, this.opening.length, joined.length));
                }
                add(score, tokenizer.encodeText(text));
                if (text.startsWith(" ")) {
                    add(score, joined(tokenizer.encodeText(" "), tokenizer.encodeText(text.substring(1))));
                }
            }
            requireOwn(score, tokenizer);
        }
    }

    private void requireOwn(int score, Tokenizer tokenizer) {
        if (ways.stream().noneMatch(way -> way.score() == score)) {
            throw new InputException(tokenizer.file() + " has no tokens for the score " + score
                + " that are not those of another; a judge needs a tokenizer that tells the digits apart");
        }
    }

    private void add(int score, int[] ids) {
        if (ids.length > 0 && ways.stream().noneMatch(way -> startsWith(ids, way.ids()) || startsWith(way.ids(), ids))) {
            ways.add(new Way(score, ids));
        }
    }

    /** Ids of the opening. */
    int[] opening() {
        return opening.clone();
    }

    /** All ways; none begins with another. */
    List<Way> ways() {
        return List.copyOf(ways);
    }

    /** The contexts of which no other begins with them: a pass over each of them has the logits of all ways. */
    List<int[]> longestContexts() {
        List<int[]> found = new ArrayList<>();
        for (Way way : ways.stream().sorted((a, b) -> b.ids().length - a.ids().length).toList()) {
            if (found.stream().noneMatch(longer -> startsWith(longer, way.context()))) {
                found.add(way.context());
            }
        }
        return found;
    }

    /** The most tokens that a way has before its last. */
    int longestContext() {
        return ways.stream().mapToInt(way -> way.ids().length - 1).max().orElse(0);
    }

    static boolean startsWith(int[] ids, int[] beginning) {
        return ids.length >= beginning.length && Arrays.equals(ids, 0, beginning.length, beginning, 0, beginning.length);
    }

    static int[] joined(int[] a, int[] b) {
        int[] both = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, both, a.length, b.length);
        return both;
    }
}
