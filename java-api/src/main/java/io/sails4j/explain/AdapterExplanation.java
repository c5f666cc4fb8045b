package io.sails4j.explain;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.config.ModuleKey;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What an adapter changes.
 *
 * @param subspace that its updates are held against; null where there is none
 * @param corpus where features were counted with and without it; null where they were not
 */
public record AdapterExplanation(Source model, Source adapter, @Nullable Source subspace, @Nullable Corpus corpus, List<Module> modules,
    List<Layer> layers) implements Explanation {
    public AdapterExplanation {
        modules = List.copyOf(modules);
        layers = List.copyOf(layers);
    }

    /**
     * A weight update |dW|.
     *
     * @param norm Frobenius norm of the update
     * @param inside share of its square that lies inside the subspace; NaN where there is no subspace or no update
     * @param random the share that a random subspace of that dimension would get, r_s / d_model; NaN where there is no subspace
     */
    public record Update(double norm, double inside, double random) {
        void writeInto(ObjectNode json) {
            json.put("norm", norm);
            Json.put(json, "inside", inside);
            Json.put(json, "random", random);
        }
    }

    /** The update of one module. */
    public record Module(ModuleKey module, Update update) {
    }

    /**
     * The modules of one layer together, and what happens to the features after it.
     *
     * @param features those whose mean activation moves most, by falling size of the shift; none where the layer has no SAE
     */
    public record Layer(int layer, Update update, List<Shift> features) {
        public Layer {
            features = List.copyOf(features);
        }
    }

    /**
     * A feature's mean activation over the counted tokens of both sides, without the adapter and with it.
     *
     * @param score in the subspace file; NaN where the subspace has not got the feature
     */
    public record Shift(int feature, double meanBefore, double meanAfter, double score) {
        /** What the adapter adds to the mean. */
        public double shift() {
            return meanAfter - meanBefore;
        }
    }

    @Override
    public ObjectNode json() {
        ObjectNode json = Json.document("adapter", model);
        Json.put(json, "adapter", adapter);
        Json.put(json, "subspace", subspace);
        Json.put(json, "data", corpus);
        ArrayNode modulesNode = json.putArray("modules");
        for (Module entry : modules) {
            entry.update.writeInto(modulesNode.addObject().put("module", entry.module.path()).put("layer", entry.module.layer()));
        }
        ArrayNode layersNode = json.putArray("layers");
        layers.forEach(layer -> write(layer, layersNode.addObject()));
        return json;
    }

    private static void write(Layer layer, ObjectNode json) {
        json.put("layer", layer.layer);
        layer.update.writeInto(json);
        ArrayNode features = json.putArray("features");
        for (Shift shift : layer.features) {
            ObjectNode node = features.addObject().put("feature", shift.feature).put("shift", shift.shift())
                .put("mean_before", shift.meanBefore).put("mean_after", shift.meanAfter);
            Json.put(node, "score", shift.score);
        }
    }
}
