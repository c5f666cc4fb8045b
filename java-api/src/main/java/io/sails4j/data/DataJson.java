package io.sails4j.data;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import io.sails4j.InputException;
import io.sails4j.files.JsonFiles;
import java.io.IOException;
import java.io.InputStream;

/**
 * JSON as Python writes data: NaN and Infinity are numbers. Duplicate keys are refused, since readers differ in which one they take.
 */
final class DataJson {
    /** A gzip of a few kilobytes can unpack to one record of gigabytes. */
    static final int MAX_RECORD_BYTES = 64 << 20;

    private static final ObjectMapper JSON = new ObjectMapper(JsonFactory.builder()
        .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
        .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
        .streamReadConstraints(StreamReadConstraints.builder().maxStringLength(MAX_RECORD_BYTES).build())
        .build());
    private static final ObjectReader ONE = JSON.reader().with(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    private DataJson() {
    }

    /** One value alone; {@code where} names it in errors. */
    static JsonNode parse(String text, String where) {
        try {
            return ONE.readTree(text);
        } catch (JsonProcessingException e) {
            var at = e.getLocation();
            throw new InputException(where + " is not valid JSON: " + JsonFiles.reason(e)
                + (at == null ? "" : " (column " + at.getColumnNr() + ")") + "; expected one JSON object a line, or a JSON array", e);
        }
    }

    static JsonParser parser(InputStream in) throws IOException {
        return JSON.getFactory().createParser(in);
    }

    /** The value that a parser stands at. */
    static JsonNode value(JsonParser parser) throws IOException {
        return JSON.readTree(parser);
    }
}
