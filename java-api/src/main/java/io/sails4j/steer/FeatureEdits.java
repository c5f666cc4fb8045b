package io.sails4j.steer;

import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.model.Site;
import io.sails4j.model.StreamEdit;
import io.sails4j.sae.Sae;
import io.sails4j.sae.SparseCodes;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Changes features of SAEs in the residual stream, and nothing else: h' = h + decode(z') - decode(z), where z encodes h and z' is z with
 * the features changed. The error h - decode(z) stays in the stream as it is (as in Marks et al., arXiv:2403.19647), so that a bad
 * reconstruction changes no text. Every token is changed: those of the prompt, BOS among them, and those that are generated. Where an SAE
 * standardises its input, changes are in its units, by the statistics of the unchanged h.
 */
public final class FeatureEdits implements StreamEdit {
    private final Map<Integer, Sae> saes;
    private final Map<Integer, List<FeatureChange>> byLayer = new TreeMap<>();

    private FeatureEdits(Map<Integer, Sae> saes) {
        this.saes = Map.copyOf(saes);
    }

    /**
     * The edit of some changes.
     *
     * @param model whose residual stream is changed
     * @param saes by layer, each of the residual stream after it; they stay the caller's to close
     * @param changes each of another feature
     * @throws InputException where a feature does not exist or is changed twice, or an SAE does not belong to the layer or to the model
     */
    public static FeatureEdits of(ModelConfig model, Map<Integer, Sae> saes, List<FeatureChange> changes) {
        Sae.requireFit(saes, model, "the model");
        FeatureEdits edits = new FeatureEdits(saes);
        Set<Feature> seen = new HashSet<>();
        for (FeatureChange change : changes) {
            change.feature().in(saes);
            if (!seen.add(change.feature())) {
                throw new InputException("feature " + change.feature() + " is changed twice, expected one change of each feature");
            }
            edits.byLayer.computeIfAbsent(change.feature().layer(), _ -> new ArrayList<>()).add(change);
        }
        edits.byLayer.values().forEach(list -> list.sort(Comparator.comparing(FeatureChange::feature)));
        return edits;
    }

    @Override
    public boolean changes(Site site, int layer) {
        return site == Site.LAYER && byLayer.containsKey(layer);
    }

    @Override
    public void edit(Site site, int layer, Tensor stream, TensorArena memory) {
        List<FeatureChange> changes = site == Site.LAYER ? byLayer.get(layer) : null;
        if (changes == null) {
            return;
        }
        Sae sae = changes.getFirst().feature().in(saes);
        SparseCodes z = sae.encode(stream, memory);
        FeatureCodes before = new FeatureCodes(z);
        int tokens = before.tokens();
        int[] indices = new int[tokens * changes.size()];
        float[] differences = new float[indices.length];
        boolean some = false;
        for (int i = 0; i < indices.length; i++) {
            FeatureChange change = changes.get(i % changes.size());
            float activation = before.activation(i / changes.size(), change.feature().index());
            indices[i] = change.feature().index();
            differences[i] = change.changed(activation) - activation;
            some |= differences[i] != 0;
        }
        if (some) {
            int[] counts = new int[tokens];
            Arrays.fill(counts, changes.size());
            sae.addChange(stream, z, memory.of(indices, tokens, changes.size()), memory.of(differences, tokens, changes.size()),
                memory.of(counts, tokens), memory);
        }
    }
}
