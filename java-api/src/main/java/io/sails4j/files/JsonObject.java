package io.sails4j.files;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.InputException;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * A JSON object whose fields are read by type; every error names the place, the key, what was found and what was expected.
 * {@code null} counts as absent.
 */
public record JsonObject(String where, JsonNode node) {
    public boolean has(String key) {
        return node.hasNonNull(key);
    }

    public long requiredLong(String key) {
        return optionalLong(key).orElseThrow(() -> missing(key));
    }

    /** A size or a count: from 1 to 2^31 - 1. */
    public long requiredPositive(String key) {
        long value = requiredLong(key);
        if (value < 1 || value > Integer.MAX_VALUE) {
            throw wrong(key, value, "a positive integer below 2^31");
        }
        return value;
    }

    public Optional<Long> optionalLong(String key) {
        return optional(key, "an integer", JsonNode::isIntegralNumber).map(value -> {
            if (!value.canConvertToLong()) {
                throw wrong(key, value, "a 64-bit integer");
            }
            return value.longValue();
        });
    }

    public double requiredDouble(String key) {
        return optionalDouble(key).orElseThrow(() -> missing(key));
    }

    public Optional<Double> optionalDouble(String key) {
        return optional(key, "a number", JsonNode::isNumber).map(JsonNode::doubleValue);
    }

    public String requiredString(String key) {
        return optionalString(key).orElseThrow(() -> missing(key));
    }

    public Optional<String> optionalString(String key) {
        return optional(key, "a string", JsonNode::isTextual).map(JsonNode::textValue);
    }

    public Optional<Boolean> optionalBoolean(String key) {
        return optional(key, "true or false", JsonNode::isBoolean).map(JsonNode::booleanValue);
    }

    public Optional<JsonObject> optionalObject(String key) {
        return optional(key, "an object", JsonNode::isObject).map(value -> new JsonObject(where + ": " + key, value));
    }

    public Optional<JsonNode> optionalArray(String key) {
        return optional(key, "an array", JsonNode::isArray);
    }

    /** An error about one key: what it holds and what was expected. */
    public InputException wrong(String key, Object found, String expected) {
        return new InputException(where + ": '" + key + "' is " + found + ", expected " + expected);
    }

    private Optional<JsonNode> optional(String key, String expected, Predicate<JsonNode> type) {
        JsonNode value = node.get(key);
        if (value == null || value.isNull()) {
            return Optional.empty();
        }
        if (!type.test(value)) {
            throw wrong(key, value, expected);
        }
        return Optional.of(value);
    }

    private InputException missing(String key) {
        return node.has(key) ? wrong(key, "null", "a value: it is needed") : new InputException(where + " lacks the key '" + key + "'");
    }
}
