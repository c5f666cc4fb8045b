package io.sails4j.parity;

import io.sails4j.tensor.HostTensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Collects comparisons and keeps the worst of each file. None at all is a failure, too. */
public final class ParityTable {
    private final String title;
    private final Map<String, Row> rows = new LinkedHashMap<>();
    private final List<String> failures = new ArrayList<>();
    private int comparisons;

    private record Row(String tensor, double error, double limit, int count) {
    }

    public ParityTable(String title) {
        this.title = title;
    }

    /** Relative Frobenius error against a limit; only positions with mask 1 count, where a mask is given. */
    public void compare(String file, String name, float[] actual, HostTensor expected, int @Nullable [] mask, double limit) {
        float[] stored = expected.toFloatArray();
        if (actual.length != stored.length) {
            fail(file, name, "has " + actual.length + " elements, expected " + stored.length);
            return;
        }
        int width = mask == null ? 1 : stored.length / mask.length;
        double difference = 0;
        double norm = 0;
        for (int i = 0; i < stored.length; i++) {
            if (mask != null && mask[i / width] == 0) {
                continue;
            }
            double d = (double) actual[i] - stored[i];
            difference += d * d;
            norm += (double) stored[i] * stored[i];
        }
        check(file, name, norm == 0 ? Math.sqrt(difference) : Math.sqrt(difference / norm), limit);
    }

    /** Any error figure against its limit. */
    public void check(String file, String name, double error, double limit) {
        comparisons++;
        Row row = rows.get(file);
        int count = row == null ? 1 : row.count() + 1;
        rows.put(file, row == null || !(error / limit <= row.error() / row.limit()) ? new Row(name, error, limit, count)
            : new Row(row.tensor(), row.error(), row.limit(), count));
        if (!(error <= limit)) {
            failures.add(String.format(Locale.ROOT, "%s %s: error %.3g, limit %.3g", file, name, error, limit));
        }
    }

    /** Things that must be equal. */
    public void equal(String file, String name, Object actual, Object expected) {
        boolean same = Objects.deepEquals(actual, expected);
        check(file, name, same ? 0 : Double.POSITIVE_INFINITY, 1e-300);
        if (!same) {
            failures.add(file + " " + name + ": " + text(actual) + ", expected " + text(expected));
        }
    }

    private static String text(Object value) {
        return value instanceof int[] ints ? Arrays.toString(ints) : String.valueOf(value);
    }

    public void fail(String file, String name, String what) {
        comparisons++;
        failures.add(file + " " + name + " " + what);
    }

    public int comparisons() {
        return comparisons;
    }

    /** A sentence for each comparison that was past its limit. */
    public List<String> failures() {
        return comparisons == 0 ? List.of(title + ": nothing was compared") : List.copyOf(failures);
    }

    /** The table for people, a line a file with its worst tensor. */
    public String text() {
        int width = rows.keySet().stream().mapToInt(String::length).max().orElse(4);
        StringBuilder text = new StringBuilder(title).append('\n');
        text.append(
            String.format(Locale.ROOT, "%-" + width + "s  %6s  %10s  %10s  %s%n", "file", "count", "error", "limit", "worst tensor"));
        rows.forEach((file, row) -> text
            .append(String.format(Locale.ROOT, "%-" + width + "s  %6d  %10.2e  %10.2e  %s%n", file, row.count(), row.error(),
                row.limit(), row.tensor())));
        return text.toString();
    }
}
