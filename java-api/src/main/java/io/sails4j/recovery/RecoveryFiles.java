package io.sails4j.recovery;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.files.AtomicFiles;
import io.sails4j.options.Options;
import io.sails4j.watch.SvgPlot;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.function.Predicate;
import java.util.function.ToDoubleFunction;

/** A result on disk: every measurement as a table, means with intervals, and three plots with the floor beside the measurements. */
final class RecoveryFiles {
    private final RecoveryResult result;
    private final RecoveryOptions options;
    private final long seed;

    RecoveryFiles(RecoveryResult result, RecoveryOptions options, long seed) {
        this.result = result;
        this.options = options;
        this.seed = seed;
    }

    void writeInto(Path directory) {
        AtomicFiles.writeString(directory.resolve("recovery.csv"), csv());
        AtomicFiles.writeJson(directory.resolve("recovery.json"), json());
        AtomicFiles.writeString(directory.resolve("recovery.svg"), svg());
    }

    private String csv() {
        StringBuilder rows = new StringBuilder("way,dimension,features,samples,repetition,error,floor\n");
        for (RecoveryRow row : result.rows()) {
            rows.append(String.format(Locale.ROOT, "%s,%d,%d,%d,%d,%.6f,%.6f%n", Options.label(row.way()), row.point().dimension(),
                row.point().features(), row.point().samples(), row.repetition(), row.error(), result.floor()));
        }
        return rows.toString();
    }

    private ObjectNode json() {
        ObjectNode json = new ObjectMapper().createObjectNode().put("format", 1).put("seed", seed)
            .put("safety_features", options.safetyFeatures()).put("repetitions", options.seeds()).put("floor", result.floor());
        json.set("errors", result.errors());
        return json;
    }

    private String svg() {
        RecoveryPoint c = options.grid().centre();
        return SvgPlot.of("Error of the subspace that is found", List.of(
            panel("features for each dimension (d = " + c.dimension() + ", n = " + c.samples() + ")",
                p -> p.dimension() == c.dimension() && p.samples() == c.samples(), RecoveryPoint::polysemanticity),
            panel("dimensions (" + (int) c.polysemanticity() + " features for each)",
                p -> p.polysemanticity() == c.polysemanticity() && p.samples() == c.samples(), RecoveryPoint::dimension),
            panel("log2 of the samples (d = " + c.dimension() + ", " + c.features() + " features)",
                p -> p.dimension() == c.dimension() && p.features() == c.features(), p -> Math.log(p.samples()) / Math.log(2))));
    }

    private SvgPlot.Panel panel(String title, Predicate<RecoveryPoint> line, ToDoubleFunction<RecoveryPoint> place) {
        List<RecoveryPoint> points = result.points().stream().filter(line).sorted(Comparator.comparingDouble(place)).toList();
        double[] x = points.stream().mapToDouble(place).toArray();
        List<SvgPlot.Series> series = new ArrayList<>();
        for (Identification way : Identification.values()) {
            series.add(new SvgPlot.Series(way.title(), x, points.stream().mapToDouble(p -> result.mean(way, p).value()).toArray()));
        }
        double[] floor = new double[x.length];
        Arrays.fill(floor, result.floor());
        series.add(new SvgPlot.Series("floor of one direction", x, floor));
        return new SvgPlot.Panel(title, series);
    }
}
