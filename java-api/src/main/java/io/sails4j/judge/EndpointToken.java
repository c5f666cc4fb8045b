package io.sails4j.judge;

import io.sails4j.InputException;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a server knows its user by. It is sent to the server, and never shown or written.
 *
 * @param source the environment variable, for messages
 * @param value null = none is sent
 */
public record EndpointToken(String source, @Nullable String value) {
    private static final String USUAL = "OPENAI_API_KEY";

    public EndpointToken {
        if (value != null && (value.isEmpty() || value.chars().anyMatch(c -> c <= ' ' || c > '~'))) {
            throw new InputException(source + " is empty or has characters that no token has; set it to the token alone");
        }
    }

    /** Nothing is sent. */
    public static EndpointToken none() {
        return new EndpointToken("none", null);
    }

    /** OPENAI_API_KEY of an environment; none where that is not set. */
    public static EndpointToken usual(Map<String, String> environment) {
        String value = environment.getOrDefault(USUAL, "").strip();
        return new EndpointToken(USUAL, value.isEmpty() ? null : value);
    }

    /**
     * A variable of an environment.
     *
     * @throws InputException where it is not set
     */
    public static EndpointToken of(Map<String, String> environment, String variable) {
        String value = environment.getOrDefault(variable, "").strip();
        if (value.isEmpty()) {
            throw new InputException("the environment variable " + variable + " is not set, expected the token of the judge's server");
        }
        return new EndpointToken(variable, value);
    }

    /** A text without the token, should a server have sent it back. */
    String hiddenIn(String text) {
        return value == null ? text : text.replace(value, "[the token of " + source + "]");
    }

    /** Without the token. */
    @Override
    public String toString() {
        return "EndpointToken[" + source + (value == null ? ", not set]" : "]");
    }
}
