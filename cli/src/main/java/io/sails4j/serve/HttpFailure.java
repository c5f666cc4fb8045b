package io.sails4j.serve;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.serving.BusyException;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** An answer that is an error, in the form that clients of OpenAI's interface know. */
final class HttpFailure extends RuntimeException {
    private static final long serialVersionUID = 1;
    private static final int BAD_REQUEST = 400;
    private static final int TOO_MANY = 429;
    private static final int BROKEN = 500;
    private static final int UNAVAILABLE = 503;
    private static final Map<Integer, String> TYPES = Map.of(401, "authentication_error", TOO_MANY, "rate_limit_error", BROKEN,
        "server_error",
        UNAVAILABLE, "server_error");

    private final int status;
    private final String code;
    private final @Nullable String parameter;

    /**
     * A failure.
     *
     * @param code for programs
     * @param parameter of the request that is wrong, null where none is
     */
    HttpFailure(int status, String code, @Nullable String parameter, String sentence) {
        super(sentence);
        this.status = status;
        this.code = code;
        this.parameter = parameter;
    }

    static HttpFailure wrong(@Nullable String parameter, String sentence) {
        return new HttpFailure(BAD_REQUEST, "invalid_request", parameter, sentence);
    }

    /** What the library says, as HTTP says it. */
    static HttpFailure of(Throwable thrown) {
        return switch (thrown) {
            case HttpFailure failure -> failure;
            case InputException wrong -> wrong(null, String.valueOf(wrong.getMessage()));
            case BusyException busy -> new HttpFailure(busy.ending() ? UNAVAILABLE : TOO_MANY, busy.ending() ? "ending" : "queue_full",
                null, String.valueOf(busy.getMessage()));
            // What broke may tell of files and memory: the log has it, the client does not need it.
            default -> new HttpFailure(BROKEN, "failed", null, "the server failed at this request; its log says why");
        };
    }

    int status() {
        return status;
    }

    /** Whether the same request may succeed in a moment. */
    boolean passes() {
        return status == TOO_MANY || status == UNAVAILABLE;
    }

    ObjectNode json() {
        ObjectNode root = JsonNodeFactory.instance.objectNode();
        ObjectNode error = root.putObject("error").put("message", getMessage()).put("type", TYPES.getOrDefault(status,
            "invalid_request_error")).put("code", code);
        error.put("param", parameter);
        return root;
    }
}
