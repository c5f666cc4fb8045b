package io.sails4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.bench.Comparison;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** A run beside another one, in words, in a table and in JSON. */
final class BenchComparison {
    private static final String[] HEADER = {"row", "time", "its time", "time / its time", "95 % interval", "beyond noise"};

    private final BenchFile other;
    private final String device;
    private final Comparison comparison;

    BenchComparison(BenchFile other, BenchReport report) {
        this.other = other;
        this.device = report.device();
        this.comparison = Comparison.of(report.rows(), other.rows());
    }

    /** What was compared, and what only one side has; a sentence a line. */
    List<String> facts() {
        List<String> facts = new ArrayList<>();
        facts.add("beside " + other.path() + ": sails4j " + other.build());
        if (!other.device().equals(device)) {
            facts.add("its device is another one: " + other.device());
        }
        long slower = comparison.rows().stream().filter(row -> row.differs() && row.ratio().low() > 1).count();
        long faster = comparison.rows().stream().filter(row -> row.differs() && row.ratio().high() < 1).count();
        facts.add(String.format(Locale.ROOT, "%d rows in both: %d faster and %d slower beyond noise, all together %.3f times its time",
            comparison.rows().size(), faster, slower, comparison.meanRatio()));
        facts.add(comparison.rounds() ? "intervals of rounds: they have what the machine does in between"
            : "intervals of repetitions within a run: they know nothing of what the machine does between two runs; three rounds or more on"
                + " both sides do (--rounds)");
        comparison.onlyHere().forEach(name -> facts.add("only in this run: " + name));
        comparison.onlyThere().forEach(name -> facts.add("only in " + other.path().getFileName() + ": " + name));
        return facts;
    }

    Table table() {
        Table table = Table.withHeader(HEADER);
        comparison.rows().forEach(row -> table.row((Object[]) cells(row)));
        return table;
    }

    String markdown() {
        StringBuilder text = new StringBuilder("\n## Beside another run\n\n");
        facts().forEach(fact -> text.append("- ").append(fact).append('\n'));
        text.append("\n| ").append(String.join(" | ", HEADER)).append(" |\n|---").append("|--:".repeat(HEADER.length - 1)).append("|\n");
        comparison.rows().forEach(row -> text.append("| ").append(String.join(" | ", cells(row))).append(" |\n"));
        return text.toString();
    }

    void writeInto(ObjectNode json) {
        json.put("file", other.path().toString()).put("build", other.build()).put("device", other.device());
        json.put("mean_ratio", comparison.meanRatio()).put("of_rounds", comparison.rounds());
        var rows = json.putArray("rows");
        for (Comparison.Row row : comparison.rows()) {
            ObjectNode node = rows.addObject().put("row", row.name()).put("seconds", row.here()).put("its_seconds", row.there())
                .put("confidence", row.confidence()).put("differs", row.differs());
            row.ratio().writeInto(node.putObject("ratio"));
        }
        comparison.onlyHere().forEach(json.putArray("only_here")::add);
        comparison.onlyThere().forEach(json.putArray("only_there")::add);
    }

    private static String[] cells(Comparison.Row row) {
        String interval = String.format(Locale.ROOT, "%.3f to %.3f", row.ratio().low(), row.ratio().high())
            + (row.confidence() < 0.95 ? String.format(Locale.ROOT, " (%.0f %% only)", Math.floor(100 * row.confidence())) : "");
        return new String[] {row.name(), BenchReport.time(row.here()), BenchReport.time(row.there()),
            String.format(Locale.ROOT, "%.3f", row.ratio().value()), interval,
            !row.differs() ? "" : row.ratio().high() < 1 ? "faster" : "slower"};
    }
}
