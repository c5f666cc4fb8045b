package io.sails4j.subspace;

import io.sails4j.InputException;
import io.sails4j.data.Progress;
import io.sails4j.data.TokenPair;
import io.sails4j.model.CausalModel;
import io.sails4j.sae.Sae;
import io.sails4j.tensor.TensorArena;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;

/** From pairs to the safety subspace: one pass of the model over the data, for all SAE layers at once. */
public final class SubspacePipeline {
    private static final System.Logger LOG = System.getLogger("io.sails4j.subspace");

    private final CausalModel model;
    private final Path modelPath;
    private final SortedMap<Integer, Sae> saes;
    private final SubspaceOptions options;

    /**
     * A pipeline for a model and the autoencoders of some of its layers. What the SAEs' files tell of their place must agree; what they do
     * not tell is said to the logger {@code io.sails4j.subspace}.
     *
     * @param modelPath for messages
     * @param saes by the layer whose resid_post they read
     */
    public SubspacePipeline(CausalModel model, Path modelPath, SortedMap<Integer, Sae> saes, SubspaceOptions options) {
        this.model = model;
        this.modelPath = modelPath;
        this.saes = saes;
        this.options = options;
        if (saes.isEmpty()) {
            throw new InputException("there is no SAE: name at least one and its layer (sae=LAYER=PATH)");
        }
        Sae.requireFit(saes, model.config(), modelPath);
        saes.forEach((layer, sae) -> {
            if (options.topK() > sae.config().dSae()) {
                throw new InputException(
                    "top_k is " + options.topK() + ", but " + sae.path() + " has " + sae.config().dSae() + " features");
            }
        });
        saes.forEach((layer, sae) -> sae.hook().note(layer, sae.path()).ifPresent(note -> LOG.log(System.Logger.Level.INFO, note)));
    }

    /** Scores of every feature of every SAE. */
    public SortedMap<Integer, FeatureScores> scores(List<TokenPair> pairs, Progress progress) {
        PairPass pass = new PairPass(model, pairs, options.featureBatchTokens());
        SortedMap<Integer, FeatureStatistics> statistics = new TreeMap<>();
        saes.forEach((layer, sae) -> statistics.put(layer, new FeatureStatistics(model.engine(), sae.config().dSae(), options.pool())));
        try (TensorArena memory = new TensorArena(model.engine().device())) {
            pass.run(new TreeSet<>(saes.keySet()), (batch, layer, stream) -> {
                memory.reset();
                Objects.requireNonNull(statistics.get(layer)).add(Objects.requireNonNull(saes.get(layer)), stream, batch.side(),
                    batch.counted(), memory);
            }, progress);
            SortedMap<Integer, FeatureScores> scores = new TreeMap<>();
            statistics.forEach((layer, s) -> scores.put(layer, s.scores()));
            return scores;
        } finally {
            statistics.values().forEach(FeatureStatistics::close);
        }
    }

    /** Scores, kept features, PCA: the subspace of each SAE layer. */
    public SafetySubspace build(List<TokenPair> pairs, Map<String, String> provenance, Progress progress) {
        SortedMap<Integer, SafetySubspace.Layer> layers = new TreeMap<>();
        scores(pairs, progress).forEach((layer, scores) -> layers.put(layer, layer(layer, scores)));
        return new SafetySubspace(layers, provenanceOf(provenance));
    }

    private SafetySubspace.Layer layer(int layer, FeatureScores scores) {
        Sae sae = Objects.requireNonNull(saes.get(layer));
        int[] kept = scores.top(options.topK());
        if (kept.length == 0) {
            throw new InputException("no feature of " + sae.path() + " tells aligned from unaligned answers on layer " + layer
                + ": none is active on this data, or all are equally active; the SAE does not fit the model");
        }
        PcaSubspace pca = directionsOf(sae, kept, options);
        int d = pca.basis().length;
        int r = pca.components();
        float[] keptScores = new float[kept.length];
        for (int i = 0; i < kept.length; i++) {
            keptScores[i] = (float) scores.score(kept[i]);
        }
        return new SafetySubspace.Layer(d, r, pca.firstColumns(r), kept, keptScores);
    }

    /** PCA of the decoder rows of some features. */
    public static PcaSubspace directionsOf(Sae sae, int[] features, SubspaceOptions options) {
        float[][] rows = sae.decoderRows(features);
        return PcaSubspace.of(options.unitRows() ? PcaSubspace.unitRows(rows) : rows, options.variance(), options.centre());
    }

    private Map<String, String> provenanceOf(Map<String, String> inputs) {
        Map<String, String> provenance = new LinkedHashMap<>(inputs);
        provenance.put("format", SafetySubspace.FORMAT);
        provenance.put("top_k", String.valueOf(options.topK()));
        provenance.put("variance", String.valueOf(options.variance()));
        provenance.put("centre", String.valueOf(options.centre()));
        provenance.put("unit_rows", String.valueOf(options.unitRows()));
        provenance.put("pool", options.pool().name().toLowerCase(Locale.ROOT));
        // The hash of a SAELens file covers its arrays only, not the cfg.json that says how they are used.
        saes.forEach((layer, sae) -> provenance.put("sae." + layer + ".config", sae.config().toString()));
        provenance.put("compute_dtype", model.computeDtype().name());
        return provenance;
    }
}
