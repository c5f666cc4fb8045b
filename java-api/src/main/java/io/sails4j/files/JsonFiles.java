package io.sails4j.files;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.sails4j.InputException;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** Strict reading of JSON files: no duplicate keys, nothing after the value. */
public final class JsonFiles {
    private static final long MAX_BYTES = 256L << 20;
    private static final ObjectMapper JSON = JsonMapper.builder()
        .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
        .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
        .build();

    private JsonFiles() {
    }

    public static JsonNode read(Path path) {
        try {
            if (Files.size(path) > MAX_BYTES) {
                throw new InputException(
                    path + " has " + Files.size(path) + " bytes, more than the " + MAX_BYTES + " expected of a JSON file");
            }
            return parse(Files.readString(path), path.toString());
        } catch (NoSuchFileException e) {
            throw new InputException(path + " does not exist", e);
        } catch (CharacterCodingException e) {
            throw new InputException(path + " is not valid UTF-8", e);
        } catch (IOException e) {
            throw new InputException("cannot read " + path + ": " + e, e);
        }
    }

    /** Parses JSON text; {@code where} names it in errors. */
    public static JsonNode parse(String text, String where) {
        try {
            return JSON.readTree(text);
        } catch (JsonProcessingException e) {
            var at = e.getLocation();
            throw new InputException(where + " is not valid JSON: " + reason(e)
                + (at == null ? "" : " (line " + at.getLineNr() + ", column " + at.getColumnNr() + ")"), e);
        }
    }

    /**
     * What is wrong, without the parser's list of everything that it would have taken, and without its settings, which nobody can reach.
     */
    public static String reason(JsonProcessingException e) {
        return e.getOriginalMessage().lines().findFirst().orElse("").replaceFirst(":? \\(?was expecting.*", "")
            .replaceFirst("^Trailing token .*", "text follows the value")
            .replaceFirst(" \\(start marker at .*", "")
            .replaceFirst(": enable `.*", "")
            .replaceFirst(",? from `[^`]*`", "");
    }

    /** The file as a JSON object with typed access. */
    public static JsonObject readObject(Path path) {
        JsonNode node = read(path);
        if (!node.isObject()) {
            throw new InputException(path + " is not a JSON object");
        }
        return new JsonObject(path.toString(), node);
    }
}
