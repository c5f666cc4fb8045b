package io.sails4j.judge;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.InputException;
import io.sails4j.files.JsonFiles;
import io.sails4j.http.HttpAnswers;
import java.util.Locale;
import java.util.regex.Pattern;

/**
 * How a server explains that it does not answer: OpenAI's {@code {"error": {"message", "code"}}}, FastAPI's {@code {"detail"}}, or text.
 *
 * @param sentence what it says, on one line
 * @param code a word or a number for it, empty where there is none
 */
record ServerWords(String sentence, String code) {
    private static final Pattern TOO_LONG = Pattern
        .compile("context.?(length|window|size)|(prompt|input|string|request) (is |was )?too long|too many tokens|max_model_len");
    private static final Pattern FILTERED = Pattern.compile("content.?(filter|policy|management)");
    private static final Pattern NO_QUOTA = Pattern.compile("insufficient_quota");

    static ServerWords of(String body) {
        JsonNode root;
        try {
            root = JsonFiles.parse(body, "the answer");
        } catch (InputException e) {
            // Words without a form are words too: pages of proxies.
            return new ServerWords(HttpAnswers.shown(body.replaceAll("<[^>]{0,200}>", " ")), "");
        }
        return of(root);
    }

    static ServerWords of(JsonNode root) {
        JsonNode error = root.path("error");
        JsonNode code = error.path("code").isMissingNode() || error.path("code").isNull() ? error.path("type") : error.path("code");
        for (JsonNode said : new JsonNode[] {error.path("message"), error, root.path("message"), root.path("detail"), root}) {
            if (!said.isMissingNode() && !said.isNull()) {
                return new ServerWords(HttpAnswers.shown(said.isTextual() ? said.textValue() : said.toString(), 300), code.asText(""));
            }
        }
        return new ServerWords("", "");
    }

    private boolean says(Pattern pattern) {
        return pattern.matcher((code + " " + sentence).toLowerCase(Locale.ROOT)).find();
    }

    /** Whether the message has more tokens than the model takes. */
    boolean isTooLong() {
        return says(TOO_LONG);
    }

    /** Whether a filter before the model refused the texts. */
    boolean isFiltered() {
        return says(FILTERED);
    }

    /** Whether waiting does not help, though the status says so. */
    boolean isOutOfQuota() {
        return says(NO_QUOTA);
    }

    /** In a sentence, behind a status. */
    String quoted() {
        return sentence.isEmpty() ? "" : ": '" + sentence + "'";
    }
}
