package io.sails4j.explain;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sails4j.data.Progress;
import io.sails4j.data.TokenPair;
import io.sails4j.data.TokenSequence;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.ops.Engine;
import io.sails4j.sae.Sae;
import io.sails4j.sae.SaeFixture;
import io.sails4j.subspace.Pooling;
import io.sails4j.subspace.SubspaceOptions;
import io.sails4j.subspace.SubspacePipeline;
import io.sails4j.testing.Backends;
import io.sails4j.testing.TinyModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The statistics of all features against the definition, in double and a token at a time. */
class CorpusStatisticsTest {
    private static final int D_SAE = 40;
    private static final int LAYER = 1;
    private static final double RELATIVE = 2e-5;

    @TempDir
    private Path directory;
    private final SaeFixture fixture = ExplainFixtures.sae(D_SAE, 7);
    private Engine engine;
    private CausalModel model;
    private Sae sae;

    @BeforeEach
    void open() {
        engine = Backends.open("cpu", 1);
        model = TinyModel.open(engine);
        sae = Sae.load(fixture.saeLens(directory.resolve("sae")), engine);
    }

    @AfterEach
    void close() {
        sae.close();
        model.close();
        engine.close();
    }

    private ScannedCorpus scan(Corpus corpus, int batchTokens, int passages) {
        return new Explainer(model, Path.of("tiny"), null, new TreeMap<>(Map.of(LAYER, sae)), ExplainOptions.defaults().with(o -> {
            o.passages = passages;
            o.featureBatchTokens = batchTokens;
        })).scan(corpus, AdapterStack.none(), Progress.none());
    }

    /** The last pair repeats the first one's aligned answer. */
    private static Corpus corpus() {
        List<TokenPair> pairs = new ArrayList<>(TinyModel.pairs(7, 3));
        pairs.add(new TokenPair(pairs.getFirst().aligned(), pairs.get(1).unaligned()));
        return ExplainFixtures.corpus(pairs);
    }

    @Test
    void statisticsAreThoseOfTheDefinition() {
        Corpus corpus = corpus();
        CorpusStatistics found = scan(corpus, 30, 2).layers().get(LAYER);
        SlowFeatures slow = new SlowFeatures(model, AdapterStack.none(), LAYER, fixture);
        int active = 0;
        for (int side = 0; side < 2; side++) {
            double[][] all = counted(corpus, side, slow);
            assertThat(found.tokens(side)).isEqualTo(all.length);
            for (int f = 0; f < D_SAE; f++) {
                int feature = f;
                double[] values = Arrays.stream(all).mapToDouble(token -> token[feature]).toArray();
                double sum = Arrays.stream(values).sum();
                double squares = Arrays.stream(values).map(v -> v * v).sum();
                double mean = sum / values.length;
                assertThat(found.count(side, f)).isEqualTo(Arrays.stream(values).filter(v -> v > 0).count());
                assertThat(found.sum(side, f)).isCloseTo(sum, within(RELATIVE * (1 + sum)));
                assertThat(found.sumSquares(side, f)).isCloseTo(squares, within(RELATIVE * (1 + squares)));
                assertThat((double) found.maximum(side, f)).isCloseTo(Arrays.stream(values).max().orElse(0), within(RELATIVE * (1 + sum)));
                assertThat(found.mean(side, f)).isCloseTo(mean, within(RELATIVE * (1 + mean)));
                double variance = Arrays.stream(values).map(v -> (v - mean) * (v - mean)).sum() / values.length;
                assertThat(found.deviation(side, f)).isCloseTo(Math.sqrt(variance), within(1e-3));
                active += (int) found.count(side, f);
            }
        }
        assertThat(active).as("features that fire").isGreaterThan(100);
    }

    private static double[][] counted(Corpus corpus, int side, SlowFeatures slow) {
        List<double[]> tokens = new ArrayList<>();
        for (int i = 0; i < corpus.sequences().size(); i++) {
            TokenSequence sequence = corpus.sequences().get(i);
            if (corpus.side(i) == side) {
                double[][] features = slow.of(sequence.ids());
                IntStream.range(0, features.length).filter(t -> sequence.counted()[t]).forEach(t -> tokens.add(features[t]));
            }
        }
        return tokens.toArray(double[][]::new);
    }

    @Test
    void peaksAreTheStrongestDistinctPlacesWhateverTheBatches() {
        Corpus corpus = corpus();
        CorpusStatistics small = scan(corpus, 16, 3).layers().get(LAYER);
        CorpusStatistics large = scan(corpus, 4096, 3).layers().get(LAYER);
        SlowFeatures slow = new SlowFeatures(model, AdapterStack.none(), LAYER, fixture);
        List<double[][]> features = corpus.sequences().stream().map(sequence -> slow.of(sequence.ids())).toList();
        int compared = 0;
        for (int f = 0; f < D_SAE; f++) {
            List<Peak> expected = slowPeaks(corpus, features, f, 3);
            for (CorpusStatistics found : List.of(small, large)) {
                assertThat(places(found.peaks(f))).as("feature %d", f).isEqualTo(places(expected));
            }
            compared += expected.size();
        }
        assertThat(compared).isGreaterThan(60);
    }

    private static List<List<Integer>> places(List<Peak> peaks) {
        return peaks.stream().map(p -> List.of(p.side(), p.sequence(), p.position())).toList();
    }

    private static List<Peak> slowPeaks(Corpus corpus, List<double[][]> features, int feature, int most) {
        List<Peak> all = new ArrayList<>();
        for (int side = 0; side < 2; side++) {
            List<Peak> ofSide = new ArrayList<>();
            Set<List<Integer>> beginnings = new HashSet<>();
            for (int i = 0; i < corpus.sequences().size(); i++) {
                TokenSequence sequence = corpus.sequences().get(i);
                int peak = corpus.side(i) == side ? SlowFeatures.peak(sequence, features.get(i), feature) : -1;
                if (peak >= 0 && beginnings.add(Arrays.stream(sequence.ids()).limit(peak + 1L).boxed().toList())) {
                    ofSide.add(new Peak(side, i, peak, (float) features.get(i)[peak][feature]));
                }
            }
            ofSide.sort(Comparator.comparing(p -> -p.activation()));
            all.addAll(ofSide.subList(0, Math.min(most, ofSide.size())));
        }
        all.sort(Comparator.comparing(p -> -p.activation()));
        return all;
    }

    @Test
    void meansAreThoseThatTheSubspaceIsMadeFrom() {
        Corpus corpus = corpus();
        CorpusStatistics found = scan(corpus, 30, 0).layers().get(LAYER);
        var scores = new SubspacePipeline(model, Path.of("tiny"), new TreeMap<>(Map.of(LAYER, sae)),
            new SubspaceOptions(3, 0.8, true, false, Pooling.TOKEN, 30)).scores(corpus.pairs(), Progress.none()).get(LAYER);
        for (int f = 0; f < D_SAE; f++) {
            assertThat(found.mean(0, f)).isCloseTo(scores.meanAligned()[f], within(1e-6));
            assertThat(found.mean(1, f)).isCloseTo(scores.meanUnaligned()[f], within(1e-6));
            assertThat(found.peaks(f)).isEmpty();
        }
    }

    @Test
    void theFileHasAllFeatures() {
        ScannedCorpus scanned = scan(corpus(), 30, 1);
        Path file = directory.resolve("features.safetensors");
        scanned.write(file);
        CorpusStatistics statistics = scanned.layers().get(LAYER);
        try (SafetensorsFile read = SafetensorsFile.open(file)) {
            assertThat(read.names()).containsExactlyInAnyOrder("layer.1.count", "layer.1.sum", "layer.1.sum_squares", "layer.1.maximum",
                "layer.1.tokens");
            assertThat(read.tensor("layer.1.sum").shape().toArray()).containsExactly(2, D_SAE);
            float[] sums = read.tensor("layer.1.sum").toFloatArray();
            assertThat(sums[D_SAE + 5]).isEqualTo((float) statistics.sum(1, 5));
        }
    }
}
