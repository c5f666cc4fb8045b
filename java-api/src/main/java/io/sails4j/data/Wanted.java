package io.sails4j.data;

import io.sails4j.InputException;
import java.util.Locale;

/** What a good model does with a prompt. */
public enum Wanted {
    /** The prompt asks for harm. */
    REFUSE,
    /** The prompt is harmless, however it may sound: a refusal is one too many. */
    COMPLY,
    /** Nobody said. */
    UNKNOWN;

    /** The name in files: {@code refuse}, {@code comply}, {@code unknown}. */
    public String key() {
        return name().toLowerCase(Locale.ROOT);
    }

    /**
     * Reads what a file says: by its key, or by XSTest's words {@code unsafe} and {@code safe}; nothing is unknown.
     *
     * @param where for the message
     */
    public static Wanted parse(String text, Object where) {
        return switch (text.strip().toLowerCase(Locale.ROOT)) {
            case "refuse", "unsafe" -> REFUSE;
            case "comply", "safe" -> COMPLY;
            case "unknown", "" -> UNKNOWN;
            default ->
                throw new InputException(where + " says '" + text + "' of what is wanted, expected refuse, comply or unknown, or safe or "
                    + "unsafe");
        };
    }
}
