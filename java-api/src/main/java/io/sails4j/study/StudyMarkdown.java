package io.sails4j.study;

import io.sails4j.options.Options;
import io.sails4j.stats.Interval;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;

/** A study's tables as Markdown: the named comparisons, and every arm. */
final class StudyMarkdown {
    private final Study study;
    private final StudyResult result;
    private final StringBuilder text = new StringBuilder();

    StudyMarkdown(Study study, StudyResult result) {
        this.study = study;
        this.result = result;
    }

    String text() {
        text.append("# ").append(study.file().getFileName()).append("\n\n").append(study.grid().seeds().size())
            .append(" seeds; learning rates chosen with ").append(study.grid().trialSeeds().size()).append(" trials each, among ")
            .append(String.join(", ", study.grid().learningRates().stream().map(Options::spelling).toList()))
            .append(". Per cent, means over seeds ± half of the interval.\n\n");
        if (!result.primary().isEmpty()) {
            primary();
        }
        arms();
        return text.toString();
    }

    private void primary() {
        text.append("## The comparisons that were named beforehand\n\nAll ").append(result.primary().size())
            .append(" intervals hold together with 95 %. **Bold**: the interval leaves out 0.\n\n");
        line(List.of("measure", "difference", "points", "sd over seeds", "seeds"));
        line(List.of("---", "---", "--:", "--:", "--:"));
        for (StudyResult.Primary named : result.primary()) {
            Interval d = named.difference();
            boolean stands = d.low() > 0 || d.high() < 0;
            String points = String.format(Locale.ROOT, "%+.1f ± %.1f", 100 * d.value(), 100 * (d.high() - d.value()));
            line(List.of(named.measure(), named.arm() + " less " + named.against(), stands ? "**" + points + "**" : points,
                String.format(Locale.ROOT, "%.1f", 100 * named.sd()), String.valueOf(named.seeds())));
        }
        text.append('\n');
    }

    private void arms() {
        text.append("## All arms\n\nIntervals of 95 %, each alone. ⁺ and ⁻: higher and lower than ").append(study.measure().baseline())
            .append(", exploratory, by intervals that hold together for all ").append(result.comparisons())
            .append(" differences. lr*: at an end of those that were tried.\n\n");
        List<String> header = new ArrayList<>(List.of("arm", "objective", "pairs", "lr"));
        result.rows().getFirst().cells().forEach(cell -> header.add(cell.name().replace('_', ' ').replace(".", ": ")));
        header.addAll(List.of("trained", "s"));
        line(header);
        line(Collections.nCopies(header.size(), "---"));
        for (StudyResult.Row row : result.rows()) {
            List<String> cells = new ArrayList<>(List.of(row.arm(), row.objective() == null ? "" : Options.label(row.objective()),
                row.objective() == null ? "" : String.valueOf(row.pairs()),
                row.lr() == 0 ? "" : Options.spelling(row.lr()) + (row.lrAtEnd() ? "*" : "")));
            row.cells().forEach(cell -> cells.add(shown(cell)));
            StudyResult.Cost cost = row.cost();
            cells.add(cost == null ? "" : String.format(Locale.ROOT, "%,d", cost.trainableParameters()));
            cells.add(cost == null ? "" : String.format(Locale.ROOT, "%.1f", cost.seconds()));
            line(cells);
        }
    }

    private static String shown(StudyResult.Cell cell) {
        Interval share = cell.share();
        if (Double.isNaN(share.value())) {
            return "";
        }
        String value = String.format(Locale.ROOT, "%.1f", 100 * share.value());
        Interval d = cell.difference();
        String mark = d == null ? "" : d.low() > 0 ? " ⁺" : d.high() < 0 ? " ⁻" : "";
        return (Double.isNaN(share.low()) ? value : value + String.format(Locale.ROOT, " ± %.1f", 100 * (share.high() - share.value())))
            + mark;
    }

    private void line(List<String> cells) {
        text.append("| ").append(String.join(" | ", cells)).append(" |\n");
    }
}
