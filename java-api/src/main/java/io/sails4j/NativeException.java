package io.sails4j;

import org.jspecify.annotations.Nullable;

/** A call into a native library that did not return {@code SAILS_OK}, or a library that cannot be used. */
public final class NativeException extends RuntimeException {
    /** {@code SAILS_INVALID_ARGUMENT}: a shape, a type or an index that the function cannot take. */
    public static final int INVALID_ARGUMENT = 1;
    /** {@code SAILS_UNSUPPORTED}: the backend or this machine has not got what was asked for. */
    public static final int UNSUPPORTED = 2;
    /** {@code SAILS_OUT_OF_MEMORY}: the device has no such room left. */
    public static final int OUT_OF_MEMORY = 3;
    /** {@code SAILS_FAILED}: what the driver or the machine reported. */
    public static final int FAILED = 4;

    private final String function;
    private final int code;
    private final String text;

    /** A failure that no other caused. */
    public NativeException(String function, int code, String text) {
        this(function, code, text, null);
    }

    /** A failure with its cause. */
    public NativeException(String function, int code, String text, @Nullable Throwable cause) {
        super(function + ": " + withoutPrefix(function, text) + " (" + codeName(code) + ")", cause);
        this.function = function;
        this.code = code;
        this.text = withoutPrefix(function, text);
    }

    /** Libraries begin their sentences with the function, too. */
    private static String withoutPrefix(String function, String text) {
        return text.startsWith(function + ": ") ? text.substring(function.length() + 2) : text;
    }

    private static String codeName(int code) {
        return switch (code) {
            case INVALID_ARGUMENT -> "invalid argument";
            case UNSUPPORTED -> "unsupported";
            case OUT_OF_MEMORY -> "out of memory";
            case FAILED -> "failed";
            default -> "status " + code;
        };
    }

    /** The C function, {@code sails_...}, or the library's file name where it could not be opened. */
    public String function() {
        return function;
    }

    /** The status, one of the constants here. */
    public int code() {
        return code;
    }

    /** The library's own sentence. */
    public String text() {
        return text;
    }
}
