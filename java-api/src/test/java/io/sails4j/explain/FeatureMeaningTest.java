package io.sails4j.explain;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sails4j.config.ModelConfig;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelWeights;
import io.sails4j.ops.Engine;
import io.sails4j.sae.Sae;
import io.sails4j.sae.SaeFixture;
import io.sails4j.subspace.PcaSubspace;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import io.sails4j.testing.Backends;
import io.sails4j.testing.TinyModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;
import org.ejml.data.DMatrixRMaj;
import org.ejml.dense.row.factory.DecompositionFactory_DDRM;
import org.ejml.interfaces.decomposition.EigenDecomposition_F64;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What decoder rows say of a feature, against sums in double: tokens, neighbours, the spectrum and the shares of basis vectors. */
class FeatureMeaningTest {
    private static final int D = (int) TinyModel.CONFIG.dModel();
    private static final int D_SAE = 40;
    private static final int[] KEPT = {31, 4, 17, 9, 22, 8, 39};

    @TempDir
    private Path directory;
    private final SaeFixture fixture = ExplainFixtures.sae(D_SAE, 11);
    private final float[] decoder = fixture.array("W_dec");
    private Engine engine;
    private Sae sae;

    @BeforeEach
    void open() {
        engine = Backends.open("cpu", 1);
        sae = Sae.load(fixture.saeLens(directory.resolve("sae")), engine);
    }

    @AfterEach
    void close() {
        sae.close();
        engine.close();
    }

    private double decoder(int feature, int j) {
        return decoder[feature * D + j];
    }

    private static List<Integer> byFalling(int n, IntToDoubleFunction value) {
        return IntStream.range(0, n).boxed().sorted(Comparator.comparingDouble(i -> -value.applyAsDouble(i))).toList();
    }

    /** One vocabulary is wider than what is looked at together. */
    @ParameterizedTest
    @CsvSource({"true, 61, F32", "false, 61, F32", "true, 8300, BF16"})
    void theLogitLensIsTheRowThroughNormAndOutputMatrix(boolean gemma, long vocabulary, DType computeDtype) {
        ModelConfig config = (gemma ? TinyModel.CONFIG : TinyModel.LLAMA).withVocabulary(vocabulary);
        try (CausalModel model = new CausalModel(engine, ModelWeights.random(config, engine, computeDtype, 3), false);
             Tensor wide = engine.device().allocate(DType.F32, Shape.of(vocabulary, D))) {
            engine.ops().elementwise().convert(wide, model.weights().head());
            float[] norm = new float[D];
            Random random = new Random(2);
            for (int j = 0; j < D; j++) {
                norm[j] = (float) random.nextGaussian();
            }
            model.weights().parameter(ModelWeights.FINAL_NORM).upload(norm);
            float[] head = wide.toFloatArray();
            List<LogitLens.Ends> found = new LogitLens(model, new TokenNames(null)).of(sae.decoderRows(KEPT), 6);
            for (int i = 0; i < KEPT.length; i++) {
                double[] logits = new double[(int) config.vocabSize()];
                for (int v = 0; v < logits.length; v++) {
                    for (int j = 0; j < D; j++) {
                        logits[v] += decoder(KEPT[i], j) * ((gemma ? 1 : 0) + (double) norm[j]) * head[v * D + j];
                    }
                }
                List<Integer> falling = byFalling(logits.length, v -> logits[v]);
                assertThat(found.get(i).promoted()).extracting(ExplainedFeature.TokenLogit::id).isEqualTo(falling.subList(0, 6));
                assertThat(found.get(i).suppressed()).extracting(ExplainedFeature.TokenLogit::id)
                    .isEqualTo(falling.reversed().subList(0, 6));
                ExplainedFeature.TokenLogit lowest = found.get(i).suppressed().getFirst();
                assertThat(lowest.logit()).isCloseTo(logits[lowest.id()], within(1e-5 * Math.sqrt(D) * Math.abs(logits[lowest.id()])));
                assertThat(lowest.token()).isEqualTo(String.valueOf(lowest.id()));
            }
        }
    }

    @Test
    void neighboursAreThoseOfLargestCosine() {
        float[] rows = fixture.array("W_dec");
        // One feature is dead, and two are each other's double.
        for (int j = 0; j < D; j++) {
            rows[5 * D + j] = 0;
            rows[33 * D + j] = 3 * rows[4 * D + j];
        }
        SaeFixture changed = fixture.with("W_dec", rows, D_SAE, D);
        try (Sae other = Sae.load(changed.saeLens(directory.resolve("other")), engine)) {
            List<List<ExplainedFeature.Neighbour>> found = DecoderNeighbours.of(other, KEPT, 4, engine);
            for (int i = 0; i < KEPT.length; i++) {
                int feature = KEPT[i];
                List<Integer> falling = byFalling(D_SAE, near -> near == feature || near == 5 ? -2 : cosine(rows, feature, near));
                assertThat(found.get(i)).extracting(ExplainedFeature.Neighbour::feature).isEqualTo(falling.subList(0, 4));
                assertThat(found.get(i).getFirst().cosine()).isCloseTo(cosine(rows, feature, falling.getFirst()), within(1e-6));
            }
            assertThat(found.get(1).getFirst()).satisfies(n -> assertThat(n.feature()).isEqualTo(33));
            assertThat(found.get(1).getFirst().cosine()).isCloseTo(1, within(1e-6));
        }
    }

    @Test
    void neighboursAreFoundInEveryBlockOfRows() {
        int dSae = 8200;
        SaeFixture many = ExplainFixtures.sae(dSae, 3);
        float[] rows = many.array("W_dec");
        for (int j = 0; j < D; j++) {
            rows[8195 * D + j] = 2 * rows[4 * D + j];
            rows[2 * D + j] = 2 * rows[8199 * D + j];
        }
        try (Sae other = Sae.load(many.with("W_dec", rows, dSae, D).saeLens(directory.resolve("many")), engine)) {
            List<List<ExplainedFeature.Neighbour>> found = DecoderNeighbours.of(other, new int[] {4, 8199}, 1, engine);
            assertThat(found.get(0)).extracting(ExplainedFeature.Neighbour::feature).containsExactly(8195);
            assertThat(found.get(1)).extracting(ExplainedFeature.Neighbour::feature).containsExactly(2);
        }
    }

    private static double cosine(float[] rows, int a, int b) {
        double ab = 0;
        double aa = 0;
        double bb = 0;
        for (int j = 0; j < D; j++) {
            ab += (double) rows[a * D + j] * rows[b * D + j];
            aa += (double) rows[a * D + j] * rows[a * D + j];
            bb += (double) rows[b * D + j] * rows[b * D + j];
        }
        return ab / Math.sqrt(aa * bb);
    }

    /** A subspace of the kept features' rows, its first dimensions. */
    private SubspaceFile subspace(boolean centre, boolean unit, int dimension) {
        float[][] rows = unit ? PcaSubspace.unitRows(sae.decoderRows(KEPT)) : sae.decoderRows(KEPT);
        double[][] basis = PcaSubspace.of(rows, 1, centre).basis();
        float[] flat = new float[D * dimension];
        for (int i = 0; i < flat.length; i++) {
            flat[i] = (float) basis[i / dimension][i % dimension];
        }
        return new SubspaceFile(new Source(Path.of("safety.safetensors"), "0"), new SafetySubspace(
            new TreeMap<>(Map.of(1, new SafetySubspace.Layer(D, dimension, flat, KEPT, new float[KEPT.length]))),
            Map.of("centre", String.valueOf(centre), "unit_rows", String.valueOf(unit))));
    }

    /** Eigenvectors of X X^T are the basis vectors' weights on the features: another way than the SVD and than products. */
    @ParameterizedTest
    @CsvSource({"true, false", "false, false", "true, true"})
    void spectrumAndSharesAreThoseOfTheGramMatrix(boolean centre, boolean unit) {
        int n = KEPT.length;
        double[][] x = new double[n][D];
        for (int i = 0; i < n; i++) {
            double norm = 0;
            for (int j = 0; j < D; j++) {
                x[i][j] = decoder(KEPT[i], j);
                norm += x[i][j] * x[i][j];
            }
            for (int j = 0; j < D && unit; j++) {
                x[i][j] /= Math.sqrt(norm);
            }
        }
        for (int j = 0; j < D && centre; j++) {
            double mean = 0;
            for (double[] row : x) {
                mean += row[j] / n;
            }
            for (double[] row : x) {
                row[j] -= mean;
            }
        }
        DMatrixRMaj gram = new DMatrixRMaj(n, n);
        for (int a = 0; a < n; a++) {
            for (int b = 0; b < n; b++) {
                for (int j = 0; j < D; j++) {
                    gram.add(a, b, x[a][j] * x[b][j]);
                }
            }
        }
        EigenDecomposition_F64<DMatrixRMaj> eigen = DecompositionFactory_DDRM.eig(n, true, true);
        eigen.decompose(gram);
        List<Integer> order = byFalling(n, i -> eigen.getEigenvalue(i).getReal());
        SubspaceFile file = subspace(centre, unit, 3);
        List<ExplainedLayer.Component> spectrum = file.spectrum(1, sae);
        double[][] shares = file.basisShares(1, sae);
        double total = IntStream.range(0, n).mapToDouble(i -> eigen.getEigenvalue(i).getReal()).sum();
        double cumulative = 0;
        for (int c = 0; c < n; c++) {
            double variance = eigen.getEigenvalue(order.get(c)).getReal();
            cumulative += variance / total;
            assertThat(spectrum.get(c).variance()).isCloseTo(variance, within(1e-5 * total));
            assertThat(spectrum.get(c).share()).isCloseTo(variance / total, within(1e-5));
            assertThat(spectrum.get(c).cumulative()).isCloseTo(cumulative, within(1e-5));
            assertThat(spectrum.get(c).kept()).isEqualTo(c < 3);
        }
        for (int c = 0; c < 3; c++) {
            double sum = 0;
            for (int i = 0; i < n; i++) {
                double weight = eigen.getEigenVector(order.get(c)).get(i, 0);
                assertThat(shares[i][c]).isCloseTo(weight * weight, within(1e-5));
                sum += shares[i][c];
            }
            assertThat(sum).isCloseTo(1, within(1e-12));
        }
    }

    @Test
    void namesOfTokensAreTheirIdsWithoutATokenizer() {
        assertThat(new TokenNames(null).of(new int[] {7, 12})).containsExactly("7", "12");
    }

    @Test
    void theLargestOfAStreamAreFoundAndTiesGoToTheSmallerId() {
        double[] values = {3, 9, 9, 1, 9, 4};
        Largest largest = new Largest(4);
        Largest none = new Largest(0);
        for (int i = 0; i < values.length; i++) {
            largest.offer(i, values[i]);
            none.offer(i, values[i]);
        }
        List<Integer> ids = new ArrayList<>(largest.toList((id, _) -> id));
        assertThat(ids).containsExactly(1, 2, 4, 5);
        assertThat(none.toList((id, _) -> id)).isEmpty();
    }
}
