package io.sails4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Says which format a record is in. Only fields that are read decide. */
final class FormatFinder {
    /** All that is read of a record. */
    static final List<String> FIELDS = List.of("prompt", "chosen", "rejected", "system", "question", "conversations", "response_0",
        "response_1", "safer_response_id", "better_response_id", "is_response_0_safe", "is_response_1_safe");

    /** For messages: what a record should have had. */
    static final String EXPECTED = "'chosen' and 'rejected' (with 'prompt', 'question' or 'conversations', or as whole dialogues), or"
        + " 'prompt', 'response_0', 'response_1' and 'safer_response_id'";

    /** Names of fields in a message. */
    private static final int LISTED = 8;

    private FormatFinder() {
    }

    private enum Kind {
        NONE("null"), TEXT("text"), LIST("a list"), OBJECT("an object"), OTHER("neither");

        private final String words;

        Kind(String words) {
            this.words = words;
        }
    }

    private static Kind kind(JsonNode value) {
        if (value.isMissingNode() || value.isNull()) {
            return Kind.NONE;
        }
        return value.isTextual() ? Kind.TEXT : value.isArray() ? Kind.LIST : value.isObject() ? Kind.OBJECT : Kind.OTHER;
    }

    /** Whether a field is there and not null. */
    static boolean has(JsonNode json, String field) {
        return kind(json.path(field)) != Kind.NONE;
    }

    /** The format of a record, null where it is in none that is known. */
    static @Nullable DataFormat of(JsonNode json) {
        if (has(json, "response_0") && has(json, "response_1")) {
            return has(json, "safer_response_id") || has(json, "is_response_0_safe") ? DataFormat.PKU_SAFER
                : has(json, "better_response_id") ? DataFormat.PKU_BETTER : null;
        }
        Kind answers = kind(json.path("chosen"));
        if (answers != kind(json.path("rejected")) || answers == Kind.NONE || answers == Kind.OTHER) {
            return null;
        }
        if (kind(json.path("conversations")) == Kind.LIST) {
            return answers == Kind.TEXT ? null : DataFormat.SHAREGPT;
        }
        Kind prompt = kind(json.path("prompt"));
        boolean blank = prompt == Kind.NONE || prompt == Kind.LIST && json.get("prompt").isEmpty()
            || prompt == Kind.TEXT && PythonText.isBlank(json.get("prompt").textValue());
        return switch (answers) {
            case LIST -> blank ? DataFormat.IMPLICIT
                : prompt == Kind.LIST ? DataFormat.TRL_MESSAGES : prompt == Kind.TEXT ? DataFormat.ULTRAFEEDBACK : null;
            case TEXT -> ofText(json, prompt);
            default -> null;
        };
    }

    private static @Nullable DataFormat ofText(JsonNode json, Kind prompt) {
        String chosen = json.get("chosen").textValue();
        String rejected = json.get("rejected").textValue();
        if (HhDialogue.isDialogue(chosen) && HhDialogue.isDialogue(rejected) && (prompt == Kind.NONE || prompt == Kind.TEXT)) {
            return DataFormat.HH;
        }
        return switch (prompt) {
            case TEXT -> {
                String text = json.get("prompt").textValue();
                yield HhDialogue.hasMarker(text) || HhDialogue.isDialogue(text) ? DataFormat.FULL_HH : DataFormat.TRL_TEXT;
            }
            case LIST -> DataFormat.MESSAGES_AND_TEXT;
            case NONE -> kind(json.path("question")) == Kind.TEXT ? DataFormat.ORCA
                : HhDialogue.hasMarker(chosen) || HhDialogue.hasMarker(rejected) ? DataFormat.HH : null;
            default -> null;
        };
    }

    /** Why a record is in no format that is known. */
    static String whyNone(JsonNode json) {
        if (!json.isObject()) {
            return "it is not a JSON object";
        }
        if (has(json, "response_0") && has(json, "response_1")) {
            return "it has 'response_0' and 'response_1', but no 'safer_response_id' or 'better_response_id'";
        }
        for (String field : List.of("chosen", "rejected")) {
            if (!json.has(field)) {
                return "it lacks '" + field + "', it has " + fields(json);
            }
            if (kind(json.get(field)) == Kind.NONE || kind(json.get(field)) == Kind.OTHER) {
                return "'" + field + "' is " + kind(json.get(field)).words + (kind(json.get(field)) == Kind.NONE ? ", expected text or"
                    : " text nor") + " a list of messages";
            }
        }
        Kind chosen = kind(json.get("chosen"));
        Kind rejected = kind(json.get("rejected"));
        if (chosen != rejected) {
            return "'chosen' is " + chosen.words + " and 'rejected' is " + rejected.words;
        }
        if (chosen == Kind.TEXT && !has(json, "prompt") && !has(json, "conversations")) {
            return "it has no 'prompt', and there is no '\\n\\nAssistant:' in 'chosen' and 'rejected'";
        }
        return "the types of 'prompt', 'chosen' and 'rejected' do not fit together";
    }

    private static String fields(JsonNode json) {
        List<String> names = json.properties().stream().map(Map.Entry::getKey).limit(LISTED).toList();
        return names.isEmpty() ? "no field"
            : String.join(", ", names.stream().map(n -> n.matches("[\\w.-]{1,32}") ? n : "...").toList())
                + (json.size() > LISTED ? ", ..." : "");
    }
}
