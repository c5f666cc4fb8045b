package io.sails4j.data;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** What was read, and what was left out for which reason, with the first lines where it happened. */
public final class DataReport {
    private static final int MAX_LISTED = 5;
    /** Of a file where every line is wrong in another way. */
    private static final int MAX_REASONS = 32;

    private final Origin.Unit unit;
    private long records;
    private final Counts leftOut = new Counts();
    private final Counts remarks = new Counts();

    DataReport(Origin.Unit unit) {
        this.unit = unit;
    }

    /** How often each reason was met, and where first. */
    private static final class Counts {
        private final Map<String, Long> counts = new LinkedHashMap<>();
        private final Map<String, List<Long>> first = new LinkedHashMap<>();

        void add(String found, long number) {
            String reason = counts.containsKey(found) || counts.size() < MAX_REASONS ? found : "other reasons";
            counts.merge(reason, 1L, Long::sum);
            List<Long> listed = first.computeIfAbsent(reason, r -> new ArrayList<>());
            if (listed.size() < MAX_LISTED) {
                listed.add(number);
            }
        }

        List<String> sentences(String what, Origin.Unit unit) {
            List<String> sentences = new ArrayList<>();
            counts.forEach((reason, count) -> sentences.add(count + (count == 1 ? " pair " : " pairs ") + what + reason + " ("
                + unit.word() + " " + first.getOrDefault(reason, List.of()).stream().map(String::valueOf)
                    .collect(Collectors.joining(", "))
                + (count > MAX_LISTED ? ", ..." : "") + ")"));
            return sentences;
        }
    }

    void count() {
        records++;
    }

    void leaveOut(String reason, long number) {
        leftOut.add(reason, number);
    }

    /** A pair is used, but not without a word. */
    void remark(String remark, long number) {
        remarks.add(remark, number);
    }

    /** What the file is counted in, in the plural: lines, entries of a JSON array, rows of a table. */
    public String unit() {
        return unit.plural();
    }

    /** How much was read, for example {@code 12 lines}. */
    public String read() {
        return records + " " + (records == 1 ? unit.word() : unit.plural());
    }

    /** Lines, entries or rows read, blank lines not counted. */
    public long records() {
        return records;
    }

    /** How many pairs were left out, by reason. */
    public Map<String, Long> leftOut() {
        return Map.copyOf(leftOut.counts);
    }

    /** One sentence for each reason, and for each remark on pairs that are used. */
    public List<String> sentences() {
        List<String> sentences = new ArrayList<>(leftOut.sentences("left out: ", unit));
        sentences.addAll(remarks.sentences("used, but ", unit));
        return sentences;
    }
}
