package io.sails4j.recovery;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.InputException;
import io.sails4j.data.Progress;
import io.sails4j.files.JsonFiles;
import io.sails4j.ops.Engine;
import io.sails4j.testing.Backends;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Distances that are known by hand, the floor of one direction, and an experiment from end to end. */
class RecoveryTest {
    @TempDir
    private Path directory;

    @Test
    void distancesOfSubspacesByHand() {
        double[][] xy = {{1, 0}, {0, 1}, {0, 0}};
        double[][] x = {{1}, {0}, {0}};
        double[][] z = {{0}, {0}, {1}};
        double[][] turned = {{Math.cos(0.3)}, {0}, {Math.sin(0.3)}};
        assertThat(Spans.distance(xy, xy)).isZero();
        assertThat(Spans.distance(x, xy)).isEqualTo(1);
        assertThat(Spans.distance(z, xy)).isCloseTo(Math.sqrt(3), within(1e-12));
        assertThat(Spans.distance(x, turned)).isCloseTo(Math.sqrt(2) * Math.sin(0.3), within(1e-12));
    }

    @Test
    void oneDirectionStaysAtTheFloorWhereTheMomentsDoNot() {
        RecoveryPoint point = new RecoveryPoint(32, 64, 40_000);
        PlantedFeatures planted = new PlantedFeatures(point, 4, 1);
        Sides sides = new Sides(planted.draw(point.samples() / 2, true), planted.draw(point.samples() / 2, false));
        try (Engine engine = Backends.open("cpu", 1)) {
            SubspaceFinder finder = new SubspaceFinder(engine, 4, 1);
            double[][] truth = planted.span();
            assertThat(truth[0]).hasSize(4);
            double floor = Math.sqrt(3);
            assertThat(Spans.distance(finder.basis(Identification.MEAN_DIFFERENCE, sides, planted, 1), truth)).isBetween(floor - 1e-9,
                floor + 0.05);
            assertThat(Spans.distance(finder.basis(Identification.CONTRASTIVE_PCA, sides, planted, 1), truth)).isLessThan(floor / 2);
        }
    }

    @Test
    void anExperimentIsWrittenWithItsFloorAndComesOutTheSameAgain() throws IOException {
        RecoveryOptions options = new RecoveryOptions(new RecoveryGrid(new RecoveryPoint(12, 24, 400), List.of(2), List.of(12), List.of(
            800)), 3, 2, 20);
        try (Engine engine = Backends.open("cpu", 1)) {
            RecoveryResult result = new Recovery(engine, options, 7).run(directory.resolve("a"), Progress.none());
            new Recovery(engine, options, 7).run(directory.resolve("b"), Progress.none());
            assertThat(result.points()).hasSize(2);
            assertThat(result.rows()).hasSize(2 * 2 * Identification.values().length);
            assertThat(result.rows()).allSatisfy(row -> assertThat(row.error()).isBetween(0.0, Math.sqrt(6) + 1e-9));
        }
        JsonNode json = JsonFiles.read(directory.resolve("a/recovery.json"));
        assertThat(json.get("floor").doubleValue()).isEqualTo(Math.sqrt(2));
        assertThat(json.get("errors")).hasSize(2 * Identification.values().length);
        assertThat(directory.resolve("b/recovery.csv")).hasSameTextualContentAs(directory.resolve("a/recovery.csv"));
        assertThat(Files.readString(directory.resolve("a/recovery.svg"))).contains("floor of one direction", "trained SAE");
    }

    @Test
    void whatMeasuresNothingIsRefused() {
        RecoveryGrid grid = RecoveryOptions.quick().grid();
        assertThatThrownBy(() -> new RecoveryOptions(grid, 4, 1, 10)).isInstanceOf(InputException.class)
            .hasMessageContaining("seeds is 1");
        assertThatThrownBy(() -> new RecoveryOptions(grid, 32, 3, 10)).isInstanceOf(InputException.class)
            .hasMessageContaining("fewer than 32");
    }
}
