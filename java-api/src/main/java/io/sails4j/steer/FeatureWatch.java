package io.sails4j.steer;

import io.sails4j.config.ModelConfig;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ModelSession;
import io.sails4j.model.Site;
import io.sails4j.model.StreamEdit;
import io.sails4j.model.TokenBatch;
import io.sails4j.sae.Sae;
import io.sails4j.tensor.TensorArena;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Reads the activations of features at every token of a text. */
public final class FeatureWatch {
    private final Map<Integer, Sae> saes;
    private final List<Feature> features;

    /**
     * A watch of some features.
     *
     * @param saes by layer, each of the residual stream after it; they stay the caller's to close
     * @throws io.sails4j.InputException where a feature does not exist, or an SAE does not belong to the layer or to the model
     */
    public FeatureWatch(ModelConfig model, Map<Integer, Sae> saes, List<Feature> features) {
        this.saes = Map.copyOf(saes);
        this.features = List.copyOf(features);
        Sae.requireFit(saes, model, "the model");
        features.forEach(feature -> feature.in(saes));
    }

    /** Those that are read, in their order. */
    public List<Feature> features() {
        return features;
    }

    /**
     * The activations [features][tokens] in one pass over a text, a generated one too: the residual stream at a token is the same whether
     * it was generated or read.
     *
     * @param edit under which the model runs, null for none; what is read is what it left
     */
    public float[][] activations(ModelSession session, AdapterStack adapters, @Nullable StreamEdit edit, int[] ids) {
        float[][] activations = new float[features.size()][ids.length];
        int last = features.stream().mapToInt(Feature::layer).max().orElse(0);
        try (TensorArena memory = new TensorArena(session.model().engine().device())) {
            session.forward(TokenBatch.of(ids), adapters, new ForwardOptions(false, last, (site, layer, stream) -> {
                if (site == Site.LAYER && features.stream().anyMatch(feature -> feature.layer() == layer)) {
                    memory.reset();
                    FeatureCodes codes = new FeatureCodes(new Feature(layer, 0).in(saes).encode(stream, memory));
                    read(activations, layer, codes);
                }
            }).withEdit(edit)).close();
        }
        return activations;
    }

    private void read(float[][] activations, int layer, FeatureCodes codes) {
        for (int f = 0; f < activations.length; f++) {
            for (int t = 0; features.get(f).layer() == layer && t < codes.tokens(); t++) {
                activations[f][t] = codes.activation(t, features.get(f).index());
            }
        }
    }
}
