package io.sails4j.data;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.stream.Collectors;

/**
 * Where an example stands in the user's data, for messages.
 *
 * @param unit what the file is counted in
 * @param number from 1
 */
public record Origin(Path file, Unit unit, long number) {
    /** More than these are counted, not listed. */
    private static final int LISTED = 8;

    /** Of a text file; of a JSON array; of a table, or the tensors of a file of tokens. */
    public enum Unit {
        LINE("line"), ENTRY("entry"), ROW("row");

        private final String word;

        Unit(String word) {
            this.word = word;
        }

        String word() {
            return word;
        }

        /** The word for several of them. */
        String plural() {
            return this == ENTRY ? "entries" : word + "s";
        }

        /** One of them, for example {@code line 7}. */
        String named(long number) {
            return word + " " + number;
        }
    }

    /** A line of a file, counted from 1. */
    public static Origin line(Path file, long number) {
        return new Origin(file, Unit.LINE, number);
    }

    /** A row of a file, counted from 1. */
    public static Origin row(Path file, long number) {
        return new Origin(file, Unit.ROW, number);
    }

    /** For example {@code line 7 of data.jsonl}. */
    @Override
    public String toString() {
        return unit.named(number) + " of " + file;
    }

    /** For example {@code lines 7, 12 of data.jsonl}; of several files one after another. */
    public static String describe(List<Origin> origins) {
        return origins.stream().collect(Collectors.groupingBy(o -> new Origin(o.file, o.unit, 0), LinkedHashMap::new,
            Collectors.mapping(Origin::number, Collectors.toList()))).entrySet().stream()
            .map(e -> listed(e.getKey().unit, e.getValue()) + " of " + e.getKey().file).collect(Collectors.joining(", "));
    }

    private static String listed(Unit unit, List<Long> numbers) {
        return listed(numbers.size() == 1 ? unit.word : unit.plural(), "", numbers);
    }

    /** The numbers rising behind the word that they count, for example {@code lines 7, 12}. */
    public static String listed(String word, List<Long> numbers) {
        return listed(word, numbers.size() == 1 ? "" : "s", numbers);
    }

    private static String listed(String word, String ending, List<Long> numbers) {
        String first = numbers.stream().sorted().limit(LISTED).map(String::valueOf).collect(Collectors.joining(", "));
        return word + ending + " " + first
            + (numbers.size() > LISTED ? " and " + (numbers.size() - LISTED) + " more" : "");
    }
}
