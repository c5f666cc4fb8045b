package io.sails4j.conformance;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** The results of the suite for people. */
public final class ConformanceTable {
    private static final String HEADER = "%-28s %-5s %6s %12s %11s %11s  %s";
    private static final String ROW = "%-28s %-5s %6d %12d %11.3g %11.3g  %s";

    private ConformanceTable() {
    }

    /** One line per operation and type with the case that came closest to its limit, then each failure. */
    public static String text(List<CaseResult> results) {
        List<String> lines = new ArrayList<>();
        lines.add(String.format(Locale.ROOT, HEADER, "operation", "dtype", "cases", "comparisons", "error", "limit", "ok"));
        Map<String, List<CaseResult>> byOperation = results.stream()
            .collect(Collectors.groupingBy(result -> result.operation() + " " + result.dtype(), TreeMap::new, Collectors.toList()));
        byOperation.values().forEach(group -> lines.add(row(group)));
        results.stream().filter(result -> !result.ok()).map(ConformanceTable::failure).forEach(lines::add);
        return String.join("\n", lines);
    }

    /** One sentence about a case that failed. */
    public static String failure(CaseResult result) {
        return "FAILED " + result.operation() + " " + result.dtype() + " [" + result.name() + "]: " + result.detail();
    }

    private static String row(List<CaseResult> group) {
        CaseResult worst = group.stream().max(Comparator.comparingDouble(ConformanceTable::share)).orElseThrow();
        long failed = group.stream().filter(result -> !result.ok()).count();
        long comparisons = group.stream().mapToLong(CaseResult::comparisons).sum();
        return String.format(Locale.ROOT, ROW, worst.operation(), worst.dtype(), group.size(), comparisons, worst.worstError(),
            worst.limit(),
            failed == 0 ? "ok" : failed + " FAILED");
    }

    /** How much of the limit was used. */
    private static double share(CaseResult result) {
        return result.limit() == 0 ? result.worstError() : result.worstError() / result.limit();
    }
}
