package io.sails4j.report;

import com.fasterxml.jackson.annotation.JsonSetter;
import com.fasterxml.jackson.annotation.Nulls;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JavaType;
import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.sails4j.InputException;
import io.sails4j.files.JsonFiles;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** JSON as records and back: keys are the components' names in snake case. Keys that no record has are others' business. */
final class RecordReader {
    static final ObjectMapper RECORDS = JsonMapper.builder()
        .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
        .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
        .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
        // What a list or a map holds is there: a record of it would fail without a sentence.
        .defaultSetterInfo(JsonSetter.Value.forContentNulls(Nulls.FAIL))
        .build();

    private RecordReader() {
    }

    /** The objects of an array; none where there is no such key. */
    static <T> List<T> list(Path file, JsonNode document, String key, Class<T> type) {
        JsonNode array = document.path(key);
        if (array.isMissingNode() || array.isNull()) {
            return List.of();
        }
        if (!array.isArray()) {
            throw new InputException(file + ": '" + key + "' is " + array.getNodeType().toString().toLowerCase(Locale.ROOT)
                + ", expected an array");
        }
        JavaType list = RECORDS.getTypeFactory().constructCollectionType(List.class, type);
        return read(file + ": " + key, array, list);
    }

    /** The objects of a file with one in each line. */
    static <T> List<T> lines(Path file, Class<T> type) {
        List<T> all = new ArrayList<>();
        int number = 0;
        for (String line : text(file)) {
            number++;
            if (!JsonFiles.withoutMark(line).isBlank()) {
                String where = "line " + number + " of " + file;
                all.add(read(where, JsonFiles.parse(line, where), RECORDS.constructType(type)));
            }
        }
        return all;
    }

    private static List<String> text(Path file) {
        try {
            return Files.readAllLines(file);
        } catch (CharacterCodingException e) {
            throw new InputException(file + " is not valid UTF-8; write it again by the command that wrote it", e);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + file + ": " + e, e);
        }
    }

    private static <T> T read(String where, JsonNode json, JavaType type) {
        if (json.isNull()) {
            throw new InputException(where + " is null, expected an object");
        }
        try {
            return RECORDS.readerFor(type).readValue(json);
        } catch (JsonMappingException e) {
            throw new InputException(where + place(e) + ": " + reason(e), e);
        } catch (IOException e) {
            throw new UncheckedIOException(where + " cannot be read", e);
        }
    }

    /** A record's own sentence where it refused its components. */
    private static String reason(JsonProcessingException e) {
        return e.getCause() instanceof IllegalArgumentException refused ? String.valueOf(refused.getMessage()) : JsonFiles.reason(e);
    }

    /** {@code [3].features[0].score}. */
    private static String place(JsonMappingException e) {
        StringBuilder place = new StringBuilder();
        for (JsonMappingException.Reference step : e.getPath()) {
            place.append(step.getFieldName() == null ? "[" + step.getIndex() + "]" : "." + step.getFieldName());
        }
        return place.toString();
    }
}
