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
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/**
 * What {@code sails bench --json} printed in another run.
 *
 * @param device its description, JSON
 * @param size what was measured, as {@code BenchSize.describe} says it
 * @param build version, commit and date
 * @param rows the times of each round by the rows' names, in their order
 */
record BenchFile(Path path, String device, String size, String build, SequencedMap<String, List<Times>> rows) {
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
            SequencedMap<String, List<Times>> rows = new LinkedHashMap<>();
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

    /** An array a round. */
    private static List<Times> times(Path path, JsonNode line) {
        List<Times> rounds = new ArrayList<>();
        for (JsonNode round : line.path("samples")) {
            double[] samples = new double[round.size()];
            Arrays.setAll(samples, i -> round.path(i).asDouble());
            if (samples.length == 0 || Arrays.stream(samples).anyMatch(sample -> !(sample > 0))) {
                throw wrongRow(path, line);
            }
            rounds.add(Times.median(samples));
        }
        if (rounds.isEmpty()) {
            throw wrongRow(path, line);
        }
        return rounds;
    }

    private static InputException wrongRow(Path path, JsonNode line) {
        return new InputException(path + ": the row '" + text(path, line, "operation") + ", " + text(path, line, "shape")
            + "' lacks samples above 0 of each round");
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
