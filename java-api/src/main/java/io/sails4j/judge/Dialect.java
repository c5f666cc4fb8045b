package io.sails4j.judge;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.files.JsonFiles;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * Which fields of a request a server takes. Servers and models differ, and say so by status 400: no {@code response_format}, no
 * {@code seed}, {@code max_completion_tokens} in place of {@code max_tokens} (OpenAI's models that think).
 *
 * @param form how the form of the answer is asked for beside the question's words
 * @param completionTokens the newer name of max_tokens
 */
record Dialect(Form form, boolean temperature, boolean seed, boolean completionTokens) {
    private static final Pattern FORM = Pattern.compile("response_?format|json_schema|json_object|json mode|grammar|guided|structured");
    private static final Pattern SEED = Pattern.compile("\\bseed\\b");
    private static final String SCHEMA_FILE = "judgement.schema.json";
    /** Written into requests and never changed. */
    private static final JsonNode SCHEMA = JsonFiles.parse(Rubric.resource(SCHEMA_FILE), SCHEMA_FILE);

    /** From the strictest to none. */
    enum Form {
        JSON_SCHEMA, JSON_OBJECT, TEXT
    }

    /** All fields. */
    static Dialect full() {
        return new Dialect(Form.JSON_SCHEMA, true, true, false);
    }

    /** The request's body for a message. */
    ObjectNode request(EndpointServer server, EndpointOptions options, String message) {
        ObjectNode body = JsonNodeFactory.instance.objectNode().put("model", server.model());
        body.putArray("messages").addObject().put("role", "user").put("content", message);
        if (temperature) {
            body.put("temperature", 0);
        }
        if (seed) {
            body.put("seed", options.seed());
        }
        body.put(completionTokens ? "max_completion_tokens" : "max_tokens", options.maxTokens());
        if (form != Form.TEXT) {
            ObjectNode format = body.putObject("response_format").put("type", form.name().toLowerCase(Locale.ROOT));
            if (form == Form.JSON_SCHEMA) {
                format.putObject("json_schema").put("name", "judgement").put("strict", true).set("schema", SCHEMA);
            }
        }
        return body;
    }

    /** What to speak after a server refused this with a sentence; nothing where it does not say a field, and none is left to try. */
    Optional<Dialect> after(String refusal) {
        String said = refusal.toLowerCase(Locale.ROOT);
        if (!completionTokens && said.contains("max_completion_tokens")) {
            return Optional.of(new Dialect(form, temperature, seed, true));
        }
        if (temperature && said.contains("temperature")) {
            return Optional.of(new Dialect(form, false, seed, completionTokens));
        }
        if (seed && SEED.matcher(said).find()) {
            return Optional.of(new Dialect(form, temperature, false, completionTokens));
        }
        if (form == Form.TEXT) {
            return Optional.empty();
        }
        // Servers that have no form of answers do not all say that this is what they refuse.
        boolean named = FORM.matcher(said).find();
        return Optional
            .of(new Dialect(named && form == Form.JSON_SCHEMA ? Form.JSON_OBJECT : Form.TEXT, temperature, seed, completionTokens));
    }

    /** How it differs from all fields, as parts of a sentence. */
    List<String> differences() {
        List<String> found = new ArrayList<>();
        switch (form) {
            case JSON_SCHEMA -> {
            }
            case JSON_OBJECT -> found.add("response_format asks for an object without a schema");
            case TEXT -> found.add("response_format is left out, and the form is asked for in words alone");
        }
        if (!temperature) {
            found.add("temperature is left out, so that another run may answer otherwise");
        }
        if (!seed) {
            found.add("seed is left out");
        }
        if (completionTokens) {
            found.add("max_completion_tokens stands for max_tokens");
        }
        return found;
    }
}
