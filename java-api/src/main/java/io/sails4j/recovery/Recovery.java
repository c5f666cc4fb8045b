package io.sails4j.recovery;

import io.sails4j.data.Progress;
import io.sails4j.files.AtomicFiles;
import io.sails4j.ops.Engine;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The theorem of arXiv:2512.23260 as numbers. Features are planted in vectors, some of them more often on one side than on the other; each
 * way looks for the subspace of these, and its error is held beside the floor that a single direction has.
 */
public final class Recovery {
    private final Engine engine;
    private final RecoveryOptions options;
    private final long seed;

    /** An experiment that has not begun. */
    public Recovery(Engine engine, RecoveryOptions options, long seed) {
        this.engine = engine;
        this.options = options;
        this.seed = seed;
    }

    /**
     * Measures everything and writes it to a directory that is not there yet.
     *
     * @param progress receives points times repetitions
     */
    public RecoveryResult run(Path out, Progress progress) {
        AtomicFiles.requireFresh(out);
        List<RecoveryRow> rows = new ArrayList<>();
        List<RecoveryPoint> points = options.grid().points();
        int done = 0;
        for (RecoveryPoint point : points) {
            for (int repetition = 0; repetition < options.seeds(); repetition++) {
                measure(point, repetition, rows);
                progress.update(++done, (long) points.size() * options.seeds(), 0);
            }
        }
        RecoveryResult result = new RecoveryResult(rows, Math.sqrt(options.safetyFeatures() - 1.0), out);
        AtomicFiles.writeDirectory(out, directory -> new RecoveryFiles(result, options, seed).writeInto(directory));
        return result;
    }

    private void measure(RecoveryPoint point, int repetition, List<RecoveryRow> rows) {
        long drawn = seed * 1_000_003 + repetition;
        PlantedFeatures planted = new PlantedFeatures(point, options.safetyFeatures(), drawn);
        Sides sides = new Sides(planted.draw(point.samples() / 2, true), planted.draw(point.samples() / 2, false));
        double[][] truth = planted.span();
        SubspaceFinder finder = new SubspaceFinder(engine, options.safetyFeatures(), options.saeSteps());
        for (Identification way : Identification.values()) {
            rows.add(new RecoveryRow(way, point, repetition, Spans.distance(finder.basis(way, sides, planted, drawn), truth)));
        }
    }
}
