package io.sails4j.cli;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sails4j.InputException;
import io.sails4j.bench.Times;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/**
 * What {@code sails bench --json} printed in another run.
 *
 * @param device its description, JSON
 * @param size what was measured, as {@code BenchSize.describe} says it
 * @param build version, commit and date
 * @param rows by their names, in their order
 */
record BenchFile(Path path, String device, String size, String build, SequencedMap<String, Times> rows) {
    /** Stands in each file; another number means other fields or other rules of measuring. */
    static final String FORMAT = "sails-bench-1";

    static BenchFile read(Path path) {
        if (!Files.isRegularFile(path)) {
            throw new InputException(path + " is no file, expected what sails bench --json printed");
        }
        try {
            JsonNode json = new ObjectMapper().readTree(path.toFile());
            if (!json.path("format").asText().equals(FORMAT)) {
                throw new InputException(path + " has the format '" + json.path("format").asText() + "', expected '" + FORMAT
                    + "', what this version's sails bench --json prints");
            }
            SequencedMap<String, Times> rows = new LinkedHashMap<>();
            for (JsonNode line : json.path("lines")) {
                rows.put(name(text(path, line, "group"), text(path, line, "operation"), text(path, line, "shape"),
                    text(path, line, "dtype")), times(path, line));
            }
            return new BenchFile(path, text(path, json, "device"), text(path, json, "size"), text(path, json, "version") + ", commit "
                + text(path, json, "commit") + ", " + text(path, json, "date"), rows);
        } catch (JacksonException e) {
            throw new InputException(path + " is no JSON (" + e.getOriginalMessage() + "), expected what sails bench --json printed");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A row's name: what makes two rows of two runs the same. */
    static String name(String group, String operation, String shape, String dtype) {
        return group + " " + operation + ", " + shape + ", " + dtype;
    }

    private static String text(Path path, JsonNode json, String field) {
        if (!json.path(field).isTextual()) {
            throw new InputException(path + " lacks the text '" + field + "', expected what sails bench --json printed");
        }
        return json.path(field).asText();
    }

    private static Times times(Path path, JsonNode line) {
        List<Double> samples = new ArrayList<>();
        line.path("samples").forEach(sample -> samples.add(sample.asDouble()));
        double seconds = line.path("seconds").asDouble();
        if (samples.isEmpty() || !(seconds > 0) || samples.stream().anyMatch(sample -> !(sample > 0))) {
            throw new InputException(path + ": the row '" + text(path, line, "operation") + ", " + text(path, line, "shape")
                + "' lacks seconds or samples above 0");
        }
        return new Times(seconds, samples);
    }

    /** Refuses what says nothing about this run: another kind of device, other shapes under the same names. */
    void requireComparable(String ourDevice, String ourSize) {
        String theirs = backend(device);
        String ours = backend(ourDevice);
        if (!theirs.equals(ours)) {
            throw new InputException(path + " was measured on the backend " + theirs + ", expected " + ours + " as in this run");
        }
        if (!size.equals(ourSize)) {
            throw new InputException(path + " was measured with other sizes (" + size + "), expected those of this run (" + ourSize + ")");
        }
    }

    private static String backend(String device) {
        try {
            return new ObjectMapper().readTree(device).path("backend").asText("unknown");
        } catch (JacksonException e) {
            return "unknown";
        }
    }
}
