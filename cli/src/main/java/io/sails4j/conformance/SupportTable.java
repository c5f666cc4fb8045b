package io.sails4j.conformance;

import io.sails4j.ops.Engine;
import io.sails4j.ops.Ops;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Which operations agree with their oracle on which backends, in Markdown: a row for each section of {@code sails.h}. */
public final class SupportTable {
    /** The sections whose operations have cases, in the header's order. */
    private static final List<String> SECTIONS = List.of("elementwise", "matmul", "linear", "quantized", "block", "attention", "head",
        "sampling",
        "decoding",
        "optimizer", "sae");

    private final Map<String, Set<String>> operations = new LinkedHashMap<>();
    private final Map<String, Map<String, String>> columns = new LinkedHashMap<>();

    /** A table without backends. */
    public SupportTable() {
        SECTIONS.forEach(section -> operations.put(section, new TreeSet<>()));
        ConformanceSuite.cases()
            .forEach(c -> operations.computeIfAbsent(section(c.operation()), _ -> new TreeSet<>()).add(c.operation()));
    }

    /** The section whose public class of operations has a method of this name. */
    static String section(String operation) {
        String method = Pattern.compile("_([a-z0-9])").matcher(operation).replaceAll(m -> m.group(1).toUpperCase(Locale.ROOT));
        return Arrays.stream(Ops.class.getMethods()).map(accessor -> accessor.getReturnType())
            .filter(type -> type.getSimpleName().endsWith("Ops")
                && Arrays.stream(type.getMethods()).anyMatch(m -> m.getName().equals(method)))
            .map(type -> type.getSimpleName().replace("Ops", "").toLowerCase(Locale.ROOT)).findFirst()
            .orElseThrow(() -> new IllegalStateException("no class of operations has " + method));
    }

    /** Adds a column: runs every case. Returns how many failed. */
    public long add(String title, Engine engine, long seed) {
        List<CaseResult> results = ConformanceSuite.run(engine, seed, Set.of(), Depth.BITS);
        Map<String, String> column = new LinkedHashMap<>();
        operations.forEach((section, names) -> {
            List<CaseResult> own = results.stream().filter(r -> names.contains(r.operation())).toList();
            List<String> failed = own.stream().filter(r -> !r.ok()).map(CaseResult::operation).distinct().toList();
            String types = own.stream().map(r -> r.dtype().name().toLowerCase(Locale.ROOT)).distinct().sorted()
                .collect(Collectors.joining(", "));
            column.put(section, failed.isEmpty() ? own.size() + " cases, " + types : "fails: " + String.join(", ", failed));
        });
        columns.put(title, column);
        return results.stream().filter(r -> !r.ok()).count();
    }

    /** Adds a column for a backend that this machine cannot open. */
    public void leaveOut(String title) {
        columns.put(title, Map.of());
    }

    /** The table, ending with a line break. */
    public String text() {
        List<String> head = new ArrayList<>(List.of("section", "operations"));
        head.addAll(columns.keySet());
        StringBuilder text = new StringBuilder("| " + String.join(" | ", head) + " |\n" + "|---".repeat(head.size()) + "|\n");
        operations.forEach((section, names) -> {
            text.append("| ").append(section).append(" | ").append(names.size());
            columns.values().forEach(column -> text.append(" | ").append(column.getOrDefault(section, "not on this machine")));
            text.append(" |\n");
        });
        return text.toString();
    }
}
