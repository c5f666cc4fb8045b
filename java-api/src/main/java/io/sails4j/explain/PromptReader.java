package io.sails4j.explain;

import io.sails4j.data.Progress;
import io.sails4j.data.TokenSequence;
import io.sails4j.explain.PromptExplanation.Feature;
import io.sails4j.model.AdapterStack;
import io.sails4j.sae.Sae;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SortedMap;
import org.jspecify.annotations.Nullable;

/** The features that fire on one prompt. */
final class PromptReader {
    private final ActivationPass pass;
    private final SortedMap<Integer, Sae> saes;
    private final int[] ids;
    private final @Nullable SubspaceFile subspace;
    private final int first;
    private final int most;

    /** @param first the first token that counts */
    PromptReader(ActivationPass pass, SortedMap<Integer, Sae> saes, int[] ids, int first, @Nullable SubspaceFile subspace, int most) {
        this.pass = pass;
        this.saes = saes;
        this.ids = ids;
        this.first = first;
        this.subspace = subspace;
        this.most = most;
    }

    /** For each SAE's layer the features of largest peak, and all of the subspace that fire. */
    List<PromptExplanation.Layer> layers(@Nullable AdapterStack adapters) {
        Map<Integer, Activations> base = activations(AdapterStack.none());
        Map<Integer, Activations> adapted = adapters == null ? null : activations(adapters);
        List<PromptExplanation.Layer> layers = new ArrayList<>();
        saes.forEach((layer, sae) -> layers.add(new PromptExplanation.Layer(layer, features(layer, (int) sae.config().dSae(),
            Objects.requireNonNull(base.get(layer)), adapted == null ? null : adapted.get(layer)))));
        return layers;
    }

    private Map<Integer, Activations> activations(AdapterStack adapters) {
        boolean[] all = new boolean[ids.length];
        Arrays.fill(all, true);
        Map<Integer, Activations> found = new HashMap<>();
        pass.run(List.of(new TokenSequence(ids, all)), List.of(all), adapters,
            (layer, _, activations) -> found.put(layer, activations), Progress.none());
        return found;
    }

    private List<Feature> features(int layer, int dSae, Activations base, @Nullable Activations adapted) {
        float[] peaks = new float[dSae];
        for (Activations activations : adapted == null ? List.of(base) : List.of(base, adapted)) {
            activations.forEach((position, feature, activation) -> {
                if (position >= first) {
                    peaks[feature] = Math.max(peaks[feature], activation);
                }
            });
        }
        Largest largest = new Largest(most);
        for (int feature = 0; feature < dSae; feature++) {
            if (peaks[feature] > 0) {
                largest.offer(feature, peaks[feature]);
            }
        }
        Set<Integer> shown = new HashSet<>(largest.toList((feature, _) -> feature));
        if (subspace != null && subspace.subspace().layers().containsKey(layer)) {
            Arrays.stream(subspace.layer(layer).featureIds()).filter(feature -> peaks[feature] > 0).forEach(shown::add);
        }
        Largest all = new Largest(shown.size());
        shown.stream().sorted().forEach(feature -> all.offer(feature, peaks[feature]));
        return all.toList((feature, _) -> new Feature(feature, subspace == null ? Double.NaN : subspace.score(layer, feature),
            row(base, feature), adapted == null ? null : row(adapted, feature)));
    }

    private List<Float> row(Activations activations, int feature) {
        List<Float> row = new ArrayList<>();
        for (int t = 0; t < ids.length; t++) {
            row.add(activations.at(t, feature));
        }
        return row;
    }
}
