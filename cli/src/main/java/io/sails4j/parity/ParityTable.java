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
    private final List<Comparison> comparisons = new ArrayList<>();
    private int unfit;

    private record Row(Comparison worst, int count) {
    }

    /**
     * One figure against its budget.
     *
     * @param error how far the result was from the stored one
     */
    public record Comparison(String file, String tensor, double error, Budget budget) {
        /** Whether the error is a number within the budget. */
        public boolean ok() {
            return error <= budget.limit();
        }

        /** The error in units of PyTorch's own in float32; NaN where that is not recorded, or nothing. */
        public double ratio() {
            return budget.float32Error() == 0 ? Double.NaN : error / budget.float32Error();
        }
    }

    public ParityTable(String title) {
        this.title = title;
    }

    /** Relative Frobenius error against a limit; only positions with mask 1 count, where a mask is given. */
    public void compare(String file, String name, float[] actual, HostTensor expected, int @Nullable [] mask, double limit) {
        compare(file, name, actual, expected, mask, Budget.stated(limit));
    }

    /** The same where it is known how far PyTorch was. */
    public void compare(String file, String name, float[] actual, HostTensor expected, int @Nullable [] mask, Budget budget) {
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
        check(file, name, norm == 0 ? Math.sqrt(difference) : Math.sqrt(difference / norm), budget);
    }

    /** Any error figure against its limit. */
    public void check(String file, String name, double error, double limit) {
        check(file, name, error, Budget.stated(limit));
    }

    private void check(String file, String name, double error, Budget budget) {
        Comparison comparison = new Comparison(file, name, error, budget);
        comparisons.add(comparison);
        rows.merge(file, new Row(comparison, 1), (old, one) -> new Row(worse(old.worst(), comparison), old.count() + 1));
        if (!comparison.ok()) {
            String beside = budget.float32Error() == 0 ? ""
                : String.format(Locale.ROOT, ", %.1f times PyTorch's in float32", comparison.ratio());
            failures.add(String.format(Locale.ROOT, "%s %s: error %.3g, limit %.3g%s", file, name, error, budget.limit(), beside));
        }
    }

    /** NaN is the worst of all. */
    private static Comparison worse(Comparison a, Comparison b) {
        return !(b.error() / b.budget().limit() <= a.error() / a.budget().limit()) ? b : a;
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
        unfit++;
        failures.add(file + " " + name + " " + what);
    }

    /** How many things were compared. */
    public int count() {
        return comparisons.size() + unfit;
    }

    /** Every figure, in the order of the comparisons; what could not be compared is among {@link #failures} alone. */
    public List<Comparison> comparisons() {
        return List.copyOf(comparisons);
    }

    /** A sentence for each comparison that was past its limit. */
    public List<String> failures() {
        return count() == 0 ? List.of(title + ": nothing was compared") : List.copyOf(failures);
    }

    /** The table for people, a line a file with its worst tensor; the ratio is to PyTorch's error in float32, where that is recorded. */
    public String text() {
        int width = rows.keySet().stream().mapToInt(String::length).max().orElse(4);
        StringBuilder text = new StringBuilder(title).append('\n');
        text.append(
            String.format(Locale.ROOT, "%-" + width + "s  %6s  %10s  %10s  %8s  %s%n", "file", "count", "error", "limit", "/ float32",
                "worst tensor"));
        rows.forEach((file, row) -> {
            Comparison worst = row.worst();
            String ratio = Double.isNaN(worst.ratio()) ? "-" : String.format(Locale.ROOT, "%.1f", worst.ratio());
            text.append(String.format(Locale.ROOT, "%-" + width + "s  %6d  %10.2e  %10.2e  %9s  %s%n", file, row.count(), worst.error(),
                worst.budget().limit(), ratio, worst.tensor()));
        });
        return text.toString();
    }
}
