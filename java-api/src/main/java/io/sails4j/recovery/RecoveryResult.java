package io.sails4j.recovery;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.sails4j.options.Options;
import io.sails4j.stats.Bootstrap;
import io.sails4j.stats.Interval;
import java.nio.file.Path;
import java.util.List;

/**
 * All measurements.
 *
 * @param floor the root of r - 1: no single direction is nearer to a subspace of r
 * @param out directory with {@code recovery.csv}, {@code recovery.json} and {@code recovery.svg}
 */
public record RecoveryResult(List<RecoveryRow> rows, double floor, Path out) {
    public RecoveryResult {
        rows = List.copyOf(rows);
    }

    /** The mean error of a way at a point over the repetitions, with its bootstrap interval. */
    public Interval mean(Identification way, RecoveryPoint point) {
        return Bootstrap.of(0).mean(rows.stream().filter(row -> row.way() == way && row.point().equals(point))
            .mapToDouble(RecoveryRow::error).toArray());
    }

    /** The points that were measured, in order. */
    public List<RecoveryPoint> points() {
        return rows.stream().map(RecoveryRow::point).distinct().toList();
    }

    /** The mean of each way at each point, as files and programs get it. */
    public ArrayNode errors() {
        ArrayNode errors = JsonNodeFactory.instance.arrayNode();
        for (RecoveryPoint point : points()) {
            for (Identification way : Identification.values()) {
                mean(way, point).writeInto(errors.addObject().put("way", Options.label(way)).put("dimension", point.dimension())
                    .put("features", point.features()).put("samples", point.samples()));
            }
        }
        return errors;
    }
}
