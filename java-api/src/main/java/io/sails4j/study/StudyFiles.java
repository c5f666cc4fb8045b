package io.sails4j.study;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.files.AtomicFiles;
import io.sails4j.options.Options;
import io.sails4j.watch.SvgPlot;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** A study's results as files: {@code study.json}, {@code study.csv}, and learning curves where several numbers of pairs were tried. */
final class StudyFiles {
    private final Study study;
    private final StudyResult result;
    private final @Nullable StudyTruth truth;

    StudyFiles(Study study, StudyResult result, @Nullable StudyTruth truth) {
        this.truth = truth;
        this.study = study;
        this.result = result;
    }

    void write(Path json) {
        AtomicFiles.writeString(json.resolveSibling("study.csv"), csv());
        AtomicFiles.writeString(json.resolveSibling("study.md"), new StudyMarkdown(study, result).text()
            + (truth == null ? "" : truth.markdown()));
        if (truth != null) {
            AtomicFiles.writeJson(json.resolveSibling("truth.json"), truth.json());
        }
        if (study.grid().pairs().size() > 1) {
            AtomicFiles.writeString(json.resolveSibling("learning.svg"), curves());
        }
        AtomicFiles.writeJson(json, json());
    }

    private static String objective(StudyResult.Row row) {
        return row.objective() == null ? "none" : Options.label(row.objective());
    }

    private String csv() {
        StringBuilder csv = new StringBuilder("arm,objective,pairs,lr,measure,share,low,high,difference,difference_low,difference_high\n");
        for (StudyResult.Row row : result.rows()) {
            for (StudyResult.Cell cell : row.cells()) {
                csv.append(String.format(Locale.ROOT, "%s,%s,%d,%s,%s,%s", row.arm(), objective(row), row.pairs(), row.lr(), cell.name(),
                    numbers(cell.share().value(), cell.share().low(), cell.share().high())));
                csv.append(',').append(cell.difference() == null ? ",,"
                    : numbers(cell.difference().value(), cell.difference().low(), cell.difference().high())).append('\n');
            }
        }
        return csv.toString();
    }

    private static String numbers(double... values) {
        List<String> texts = new ArrayList<>();
        for (double value : values) {
            texts.add(Double.isNaN(value) ? "" : String.format(Locale.ROOT, "%.6f", value));
        }
        return String.join(",", texts);
    }

    private ObjectNode json() {
        ObjectNode json = new ObjectMapper().createObjectNode().put("format", 1).put("study", String.valueOf(study.file().getFileName()))
            .put("rule", Choices.RULE).put("baseline", study.measure().baseline()).put("seeds", study.grid().seeds().size())
            .put("comparisons", result.comparisons());
        ArrayNode primary = json.putArray("primary");
        for (StudyResult.Primary named : result.primary()) {
            ObjectNode node = primary.addObject().put("arm", named.arm()).put("against", named.against()).put("measure", named.measure())
                .put("seeds", named.seeds()).put("sd", named.sd());
            named.difference().writeInto(node.putObject("difference"));
        }
        ArrayNode rows = json.putArray("rows");
        for (StudyResult.Row row : result.rows()) {
            ObjectNode node = rows.addObject().put("arm", row.arm()).put("objective", objective(row)).put("pairs", row.pairs())
                .put("lr", row.lr()).put("lr_at_end", row.lrAtEnd());
            ObjectNode cells = node.putObject("measures");
            for (StudyResult.Cell cell : row.cells()) {
                ObjectNode share = cells.putObject(cell.name());
                cell.share().writeInto(share);
                if (cell.difference() != null) {
                    cell.difference().writeInto(share.putObject("difference"));
                }
            }
            if (row.cost() != null) {
                node.putObject("cost").put("seconds", row.cost().seconds()).put("trainable_parameters", row.cost().trainableParameters())
                    .put("optimizer_bytes", row.cost().optimizerBytes());
            }
        }
        return json;
    }

    private String curves() {
        List<SvgPlot.Panel> panels = new ArrayList<>();
        for (StudyResult.Cell measure : result.rows().getFirst().cells()) {
            List<SvgPlot.Series> series = new ArrayList<>();
            for (StudyArm arm : study.arms()) {
                for (var objective : arm.objectives(study.grid())) {
                    List<StudyResult.Row> line = result.rows().stream().filter(row -> row.arm().equals(arm.name())
                        && row.objective() == objective).toList();
                    series.add(new SvgPlot.Series(arm.name() + " " + Options.label(objective),
                        line.stream().mapToDouble(StudyResult.Row::pairs).toArray(),
                        line.stream().mapToDouble(row -> 100 * share(row, measure.name())).toArray()));
                }
            }
            panels.add(new SvgPlot.Panel(measure.name() + ", %, by pairs", series));
        }
        return SvgPlot.of("Learning curves", panels);
    }

    private static double share(StudyResult.Row row, String name) {
        return Objects.requireNonNull(row.cells().stream().filter(cell -> cell.name().equals(name)).findFirst().orElseThrow().share())
            .value();
    }
}
