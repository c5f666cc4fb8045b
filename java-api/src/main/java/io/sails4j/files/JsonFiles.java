package io.sails4j.files;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.sails4j.InputException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;

/** Strict reading of JSON files: no duplicate keys, nothing after the value. A byte order mark before it is read past. */
public final class JsonFiles {
    private static final long MAX_BYTES = 256L << 20;
    private static final ObjectMapper JSON = JsonMapper.builder()
        .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
        .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
        .build();

    private JsonFiles() {
    }

    public static JsonNode read(Path path) {
        ForeignFile.requireRegular(path);
        try {
            if (Files.size(path) > MAX_BYTES) {
                throw new InputException(
                    path + " has " + Files.size(path) + " bytes, more than the " + MAX_BYTES + " expected of a JSON file");
            }
            return read(path, Files.readString(path));
        } catch (NoSuchFileException e) {
            throw ForeignFile.missing(path, e);
        } catch (CharacterCodingException e) {
            throw ForeignFile.explained(path, new InputException(path + " is not valid UTF-8", e));
        } catch (IOException e) {
            throw new InputException("cannot read " + path + ": " + e, e);
        }
    }

    private static JsonNode read(Path path, String text) {
        JsonNode json;
        try {
            json = parse(text, path.toString());
        } catch (InputException e) {
            throw ForeignFile.explained(path, e);
        }
        if (json.isMissingNode()) {
            throw ForeignFile.explained(path, new InputException(path + " has no JSON value in it"));
        }
        ForeignFile.requireNoError(path, json);
        return json;
    }

    /** The text without the byte order mark that some editors put before it. */
    public static String withoutMark(String text) {
        return text.startsWith("\ufeff") ? text.substring(1) : text;
    }

    /** Whether a file begins with a byte order mark, which others' readers may not take. */
    public static boolean hasMark(Path path) throws IOException {
        try (InputStream in = Files.newInputStream(path)) {
            return Arrays.equals(in.readNBytes(3), new byte[] {(byte) 0xef, (byte) 0xbb, (byte) 0xbf});
        }
    }

    /** The bytes of a UTF-8 file after its byte order mark. */
    public static InputStream withoutMark(Path path) throws IOException {
        return new ByteArrayInputStream(withoutMark(Files.readString(path)).getBytes(StandardCharsets.UTF_8));
    }

    /** Parses JSON text, past a byte order mark; {@code where} names it in errors. */
    public static JsonNode parse(String text, String where) {
        try {
            return JSON.readTree(withoutMark(text));
        } catch (JsonProcessingException e) {
            throw new InputException(where + " is not valid JSON: " + reasonAndPlace(e), e);
        }
    }

    /** {@link #reason} with the line and the column, as far as they are known. */
    public static String reasonAndPlace(JsonProcessingException e) {
        var at = e.getLocation();
        return reason(e) + (at == null ? "" : " (line " + at.getLineNr() + ", column " + at.getColumnNr() + ")");
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
