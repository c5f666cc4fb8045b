package io.sails4j.subspace;

import io.sails4j.InputException;
import io.sails4j.data.Progress;
import io.sails4j.data.TokenPair;
import io.sails4j.model.CausalModel;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Subspaces that no SAE has a part in, to hold one of features against: of raw activations, and by chance. They have no features, so that
 * nothing can say what they mean.
 */
public final class ControlSubspaces {
    private ControlSubspaces() {
    }

    /**
     * The principal components of the differences of pairs: of each pair the mean activation over the aligned answer's tokens less that
     * over the unaligned answer's. The mean difference stays in them: it is what tells the sides apart.
     *
     * @param dimensions of the subspace of each layer
     * @param batchTokens padded tokens in a batch of the pass
     * @param provenance goes into the file
     * @throws InputException where there are fewer pairs than dimensions, or where the sides do not differ
     */
    public static SafetySubspace direct(CausalModel model, SortedMap<Integer, Integer> dimensions, List<TokenPair> pairs, int batchTokens,
        Map<String, String> provenance, Progress progress) {
        requireLayers(dimensions, model.config().nLayers(), model.config().dModel());
        dimensions.forEach((layer, k) -> {
            if (k > pairs.size()) {
                throw new InputException("dimension is " + k + " for layer " + layer + ", expected at most the number of pairs, "
                    + pairs.size());
            }
        });
        int d = (int) model.config().dModel();
        SortedMap<Integer, float[][]> differences = new TreeMap<>();
        dimensions.keySet().forEach(layer -> differences.put(layer, new float[pairs.size()][d]));
        new PairPass(model, pairs, batchTokens).run(new TreeSet<>(dimensions.keySet()),
            (batch, layer, stream) -> add(Objects.requireNonNull(differences.get(layer)), batch, stream.toFloatArray()), progress);
        SortedMap<Integer, SafetySubspace.Layer> layers = new TreeMap<>();
        differences.forEach((layer, rows) -> {
            PcaSubspace pca = PcaSubspace.of(rows, 1, false);
            int k = Objects.requireNonNull(dimensions.get(layer));
            if (pca.components() < k) {
                throw new InputException("dimension is " + k + ", but the differences of the pairs on layer " + layer + " span "
                    + pca.components() + "; use fewer dimensions or more pairs");
            }
            layers.put(layer, layer(pca, k));
        });
        return new SafetySubspace(layers, told(provenance, "direct"));
    }

    private static void add(float[][] differences, PairPass.Batch batch, float[] stream) {
        int d = differences[0].length;
        int length = batch.length();
        for (int i = 0; i < batch.pair().length; i++) {
            int n = 0;
            double[] sum = new double[d];
            for (int t = i * length; t < (i + 1) * length; t++) {
                if (batch.counted()[t]) {
                    n++;
                    for (int j = 0; j < d; j++) {
                        sum[j] += stream[t * d + j];
                    }
                }
            }
            float[] difference = differences[batch.pair()[i]];
            for (int j = 0; n > 0 && j < d; j++) {
                difference[j] += (float) ((batch.side()[i] == 0 ? 1 : -1) * sum[j] / n);
            }
        }
    }

    /**
     * Directions by chance, orthonormal: uniform among all subspaces of that dimension.
     *
     * @param dimensions of the subspace of each layer
     * @param provenance goes into the file
     */
    public static SafetySubspace random(int dModel, int nLayers, SortedMap<Integer, Integer> dimensions, long seed,
        Map<String, String> provenance) {
        requireLayers(dimensions, nLayers, dModel);
        SortedMap<Integer, SafetySubspace.Layer> layers = new TreeMap<>();
        dimensions.forEach((layer, k) -> {
            Random random = new Random(seed * 31 + layer);
            float[][] rows = new float[k][dModel];
            for (float[] row : rows) {
                for (int j = 0; j < dModel; j++) {
                    row[j] = (float) random.nextGaussian();
                }
            }
            layers.put(layer, layer(PcaSubspace.of(rows, 1, false), k));
        });
        Map<String, String> all = told(provenance, "random");
        all.put("seed", String.valueOf(seed));
        return new SafetySubspace(layers, all);
    }

    private static void requireLayers(SortedMap<Integer, Integer> dimensions, int nLayers, long dModel) {
        if (dimensions.isEmpty()) {
            throw new InputException("there is no layer to find a subspace for: name at least one (layers=N,...)");
        }
        dimensions.forEach((layer, k) -> {
            if (layer < 0 || layer >= nLayers) {
                throw new InputException("layers has " + layer + ", expected 0 to " + (nLayers - 1) + ": the model has " + nLayers
                    + " layers");
            }
            if (k < 1 || k >= dModel) {
                throw new InputException("dimension is " + k + ", expected 1 or more and fewer than the model's " + dModel);
            }
        });
    }

    private static SafetySubspace.Layer layer(PcaSubspace pca, int k) {
        return new SafetySubspace.Layer(pca.basis().length, k, pca.firstColumns(k), new int[0], new float[0]);
    }

    private static Map<String, String> told(Map<String, String> provenance, String identification) {
        Map<String, String> all = new LinkedHashMap<>(provenance);
        all.put("format", SafetySubspace.FORMAT);
        all.put("identification", identification);
        return all;
    }
}
