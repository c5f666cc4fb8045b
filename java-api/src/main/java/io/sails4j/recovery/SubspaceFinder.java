package io.sails4j.recovery;

import io.sails4j.data.Progress;
import io.sails4j.files.AtomicFiles;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.ops.Engine;
import io.sails4j.sae.Sae;
import io.sails4j.saetrain.ActivationSource;
import io.sails4j.saetrain.SaeKind;
import io.sails4j.saetrain.SaeTrainOptions;
import io.sails4j.saetrain.SaeTrainRun;
import io.sails4j.saetrain.StoredActivations;
import io.sails4j.subspace.FeatureStatistics;
import io.sails4j.subspace.Pooling;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.TensorArena;
import io.sails4j.train.RunControl;
import io.sails4j.train.RunOrigin;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/** Finds the subspace that tells two sides apart, in each of the ways. */
final class SubspaceFinder {
    private static final int BATCH = 512;
    private static final double LR = 2e-3;
    private static final int ROWS = 4096;

    private final Engine engine;
    private final int r;
    private final long steps;

    SubspaceFinder(Engine engine, int r, long steps) {
        this.engine = engine;
        this.r = r;
        this.steps = steps;
    }

    /** The subspace that a way finds, as orthonormal columns: of r of them, or of one where the way can tell no more. */
    double[][] basis(Identification way, Sides sides, PlantedFeatures planted, long seed) {
        return switch (way) {
            case MEAN_DIFFERENCE -> Spans.of(new double[][] {sides.meanDifference()});
            case PAIRED_PCA -> Spans.first(r, sides.differences(), true);
            case CONTRASTIVE_PCA -> Spans.largest(r, sides.momentDifference());
            case TRUE_DICTIONARY -> Spans.of(chosen(planted, sides));
            case AUTOENCODER -> Spans.of(learnt(sides, planted, seed));
        };
    }

    private double[][] chosen(PlantedFeatures planted, Sides sides) {
        double[] difference = sides.meanDifference();
        double[][] directions = planted.directions();
        return IntStream.range(0, directions.length).boxed()
            .sorted(Comparator.comparingDouble(i -> -Math.abs(dot(directions[i], difference)))).limit(r)
            .map(i -> directions[i]).toArray(double[][]::new);
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int j = 0; j < a.length; j++) {
            sum += a[j] * b[j];
        }
        return sum;
    }

    /** The decoder's rows of the features whose means differ most, of an autoencoder with as many features as there are. */
    private float[][] learnt(Sides sides, PlantedFeatures planted, long seed) {
        try {
            Path folder = Files.createTempDirectory("sails-recovery");
            try {
                Path vectors = folder.resolve("vectors.safetensors");
                SafetensorsWriter.write(vectors, new LinkedHashMap<>(Map.of("x", vectors(sides))), Map.of());
                train(vectors, folder.resolve("sae"), planted.directions().length, seed);
                return strongest(sides, folder.resolve("sae"));
            } finally {
                AtomicFiles.deleteTree(folder);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static HostTensor vectors(Sides sides) {
        int d = sides.dimension();
        int n = sides.aligned().length;
        float[] flat = new float[2 * n * d];
        for (int i = 0; i < n; i++) {
            System.arraycopy(sides.aligned()[i], 0, flat, 2 * i * d, d);
            System.arraycopy(sides.unaligned()[i], 0, flat, (2 * i + 1) * d, d);
        }
        return HostTensor.ofFloats(flat, 2L * n, d);
    }

    private void train(Path vectors, Path out, int width, long seed) {
        SaeTrainOptions options = SaeTrainOptions.defaults().with(o -> {
            o.shape = o.shape.with(s -> {
                s.kind = SaeKind.TOPK;
                s.width = width;
                s.k = Math.min(width, PlantedFeatures.active(r));
            });
            o.optimization = o.optimization.with(s -> s.adamw = s.adamw.withLr(LR));
            o.batching = o.batching.with(b -> {
                b.batchTokens = BATCH;
                b.steps = steps;
            });
            o.run = o.run.with(run -> run.seed = seed);
        });
        try (StoredActivations source = StoredActivations.open(vectors.toString(), ActivationSource.NO_LAYER, seed)) {
            new SaeTrainRun(engine, options, RunOrigin.unknown(), null).run(source, out, Progress.none(), RunControl.plain());
        }
    }

    private float[][] strongest(Sides sides, Path sae) {
        try (Sae trained = Sae.load(sae, engine);
             FeatureStatistics statistics = new FeatureStatistics(engine, trained.config().dSae(), Pooling.TOKEN)) {
            List<float[][]> classes = List.of(sides.aligned(), sides.unaligned());
            for (int side = 0; side < classes.size(); side++) {
                float[][] rows = classes.get(side);
                for (int from = 0; from < rows.length; from += ROWS) {
                    add(statistics, trained, Arrays.copyOfRange(rows, from, Math.min(rows.length, from + ROWS)), side);
                }
            }
            return trained.decoderRows(statistics.scores().top(r));
        }
    }

    private void add(FeatureStatistics statistics, Sae sae, float[][] rows, int side) {
        int d = rows[0].length;
        float[] flat = new float[rows.length * d];
        boolean[] counted = new boolean[rows.length];
        Arrays.fill(counted, true);
        for (int i = 0; i < rows.length; i++) {
            System.arraycopy(rows[i], 0, flat, i * d, d);
        }
        try (TensorArena memory = new TensorArena(engine.device())) {
            statistics.add(sae, memory.of(flat, rows.length, d), new int[] {side}, counted, memory);
        }
    }
}
