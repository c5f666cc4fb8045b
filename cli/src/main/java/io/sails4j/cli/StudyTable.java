package io.sails4j.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.options.Options;
import io.sails4j.stats.Interval;
import io.sails4j.study.StudyResult;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** A study's result, printed. */
final class StudyTable {
    private final CommonOptions common;

    StudyTable(CommonOptions common) {
        this.common = common;
    }

    void print(StudyResult result) {
        List<String> header = new ArrayList<>(List.of("arm", "objective", "pairs", "lr"));
        result.rows().getFirst().cells().forEach(cell -> header.add(cell.name()));
        header.addAll(List.of("trained", "seconds"));
        Table table = Table.withHeader(header.toArray(String[]::new));
        ObjectNode json = CommonOptions.object().put("out", result.out().toString()).put("comparisons", result.comparisons());
        ArrayNode rows = json.putArray("rows");
        for (StudyResult.Row row : result.rows()) {
            String objective = row.objective() == null ? "-" : Options.label(row.objective());
            List<Object> cells = new ArrayList<>(
                List.of(row.arm(), objective, row.pairs(),
                    row.lr() == 0 ? "-" : Options.spelling(row.lr()) + (row.lrAtEnd() ? " (end)" : "")));
            ObjectNode rowNode = rows.addObject().put("arm", row.arm()).put("objective", objective).put("pairs", row.pairs())
                .put("lr", row.lr()).put("lr_at_end", row.lrAtEnd());
            ObjectNode measures = rowNode.putObject("measures");
            if (row.cost() != null) {
                rowNode.putObject("cost").put("seconds", row.cost().seconds()).put("trainable_parameters", row.cost().trainableParameters())
                    .put("optimizer_bytes", row.cost().optimizerBytes());
            }
            row.cells().forEach(cell -> {
                cells.add(shown(cell.share()) + (cell.difference() == null ? "" : mark(cell.difference())));
                ObjectNode share = measures.putObject(cell.name());
                cell.share().writeInto(share);
                if (cell.difference() != null) {
                    cell.difference().writeInto(share.putObject("difference"));
                }
            });
            cells.add(row.cost() == null ? "-" : String.format(Locale.ROOT, "%,d", row.cost().trainableParameters()));
            cells.add(row.cost() == null ? "-" : String.format(Locale.ROOT, "%.1f", row.cost().seconds()));
            table.row(cells.toArray());
        }
        Table named = Table.withHeader("measure", "difference", "points", "sd", "seeds");
        ArrayNode primary = json.putArray("primary");
        for (StudyResult.Primary one : result.primary()) {
            Interval d = one.difference();
            named.row(one.measure(), one.arm() + " less " + one.against(), String.format(Locale.ROOT, "%+.1f ± %.1f%s", 100 * d.value(),
                100 * (d.high() - d.value()), mark(d)), String.format(Locale.ROOT, "%.1f", 100 * one.sd()), one.seeds());
            ObjectNode node = primary.addObject().put("arm", one.arm()).put("against", one.against()).put("measure", one.measure())
                .put("seeds", one.seeds()).put("sd", one.sd());
            d.writeInto(node.putObject("difference"));
        }
        common.print(json, table);
        if (!result.primary().isEmpty() && !common.json()) {
            common.print(json, named);
            common.message("the comparisons that were named beforehand; their intervals hold together with 95 %");
        }
        common.message("mean % over seeds ± half of the 95 % interval; + and - : higher and lower than the baseline, exploratory, by"
            + " intervals that hold together for all " + result.comparisons() + " differences; (end): the learning rate is at an end of"
            + " those that were tried; written to " + result.out() + " (study.md has the tables)");
    }

    private static String shown(Interval share) {
        return Double.isNaN(share.value()) ? "-" : Double.isNaN(share.low()) ? String.format(Locale.ROOT, "%.1f", 100 * share.value())
            : String.format(Locale.ROOT, "%.1f ± %.1f", 100 * share.value(), 100 * (share.high() - share.value()));
    }

    private static String mark(Interval difference) {
        return difference.low() > 0 ? " +" : difference.high() < 0 ? " -" : "";
    }
}
