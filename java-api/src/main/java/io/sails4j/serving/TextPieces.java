package io.sails4j.serving;

import java.util.Arrays;
import java.util.List;
import java.util.function.Function;

/**
 * Tokens made text as they come. A piece is given out once nothing that follows can change it: a character whose bytes are not all there
 * waits, and so does the beginning of a stop string. What was given out in the end is what decoding all tokens at once gives, up to the
 * first stop string.
 */
final class TextPieces {
    private static final char UNKNOWN = '\ufffd';

    private final Function<int[], String> decode;
    private final List<String> stops;
    private int[] ids = new int[16];
    private int count;
    private int given;
    private String text = "";
    private boolean stopped;

    /**
     * Pieces of a text that has no tokens yet.
     *
     * @param decode the text of ids, without control tokens
     * @param stops texts that end it
     */
    TextPieces(Function<int[], String> decode, List<String> stops) {
        this.decode = decode;
        this.stops = List.copyOf(stops);
    }

    /** What can be given out with one more token. */
    String add(int id) {
        if (count == ids.length) {
            ids = Arrays.copyOf(ids, 2 * count);
        }
        ids[count++] = id;
        text = decode.apply(Arrays.copyOf(ids, count));
        return upTo(false);
    }

    /** What is left when no more tokens come. */
    String rest() {
        return upTo(true);
    }

    /** Whether a stop string has come; nothing more is given out then. */
    boolean stopped() {
        return stopped;
    }

    private String upTo(boolean last) {
        if (stopped) {
            return "";
        }
        int stop = firstStop();
        if (stop >= 0) {
            stopped = true;
            return give(stop);
        }
        return give(last ? text.length() : sure());
    }

    private String give(int end) {
        String piece = end > given ? text.substring(given, end) : "";
        given = Math.max(given, end);
        return piece;
    }

    private int firstStop() {
        int first = -1;
        for (String stop : stops) {
            int at = text.indexOf(stop, Math.max(0, given - stop.length()));
            first = at >= 0 && (first < 0 || at < first) ? at : first;
        }
        return first;
    }

    /** As far as the text cannot change: before a character that is half there, and before what may become a stop string. */
    private int sure() {
        int end = text.length();
        while (end > 0 && text.charAt(end - 1) == UNKNOWN) {
            end--;
        }
        int sure = end;
        for (String stop : stops) {
            for (int length = Math.min(stop.length() - 1, end); length > 0; length--) {
                if (text.startsWith(stop.substring(0, length), end - length)) {
                    sure = Math.min(sure, end - length);
                    break;
                }
            }
        }
        return sure;
    }
}
