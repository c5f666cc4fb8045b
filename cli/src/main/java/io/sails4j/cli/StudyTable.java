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
                List.of(row.arm(), objective, row.pairs(), row.lr() == 0 ? "-" : Options.spelling(row.lr())));
            ObjectNode measures = rows.addObject().put("arm", row.arm()).put("objective", objective).put("pairs", row.pairs())
                .put("lr", row.lr()).putObject("measures");
            row.cells().forEach(cell -> {
                cells.add(shown(cell.share()) + (cell.difference() == null ? "" : mark(cell.difference())));
                measures.put(cell.name(), cell.share().value());
            });
            cells.add(row.cost() == null ? "-" : String.format(Locale.ROOT, "%,d", row.cost().trainableParameters()));
            cells.add(row.cost() == null ? "-" : String.format(Locale.ROOT, "%.1f", row.cost().seconds()));
            table.row(cells.toArray());
        }
        common.print(json, table);
        common.message("mean % over seeds ± half of the 95 % interval; + and - : higher and lower than the baseline, by intervals that hold"
            + " together for all " + result.comparisons() + " differences (study.csv has them); written to " + result.out());
    }

    private static String shown(Interval share) {
        return Double.isNaN(share.low()) ? String.format(Locale.ROOT, "%.1f", 100 * share.value())
            : String.format(Locale.ROOT, "%.1f ± %.1f", 100 * share.value(), 100 * (share.high() - share.value()));
    }

    private static String mark(Interval difference) {
        return difference.low() > 0 ? " +" : difference.high() < 0 ? " -" : "";
    }
}
