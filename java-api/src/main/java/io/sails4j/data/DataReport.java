package io.sails4j.data;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** What was read, and what was left out for which reason, with the first lines where it happened. */
public final class DataReport {
    private static final int MAX_LINES = 5;

    private long lines;
    private final Map<String, Long> counts = new LinkedHashMap<>();
    private final Map<String, List<Long>> firstLines = new LinkedHashMap<>();

    DataReport() {
    }

    void line() {
        lines++;
    }

    void leaveOut(String reason, long line) {
        counts.merge(reason, 1L, Long::sum);
        List<Long> first = firstLines.computeIfAbsent(reason, r -> new ArrayList<>());
        if (first.size() < MAX_LINES) {
            first.add(line);
        }
    }

    /** Lines read, blank ones not counted. */
    public long lines() {
        return lines;
    }

    /** How many pairs were left out, by reason. */
    public Map<String, Long> leftOut() {
        return Map.copyOf(counts);
    }

    /** One sentence for each reason. */
    public List<String> sentences() {
        List<String> sentences = new ArrayList<>();
        counts.forEach((reason, count) -> sentences.add(count + (count == 1 ? " pair" : " pairs") + " left out: " + reason + " (line "
            + firstLines.getOrDefault(reason, List.of()).stream().map(String::valueOf).collect(Collectors.joining(", "))
            + (count > MAX_LINES ? ", ..." : "") + ")"));
        return sentences;
    }
}
