package io.sails4j.report;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** What an adapter changes, from {@code explain.json}. */
public record AdapterPart(PartOrigin origin, List<Module> modules, List<Layer> layers) implements ReportPart {
    public AdapterPart {
        modules = List.copyOf(modules);
        layers = List.copyOf(layers);
    }

    /**
     * The update of a module.
     *
     * @param norm Frobenius
     * @param inside share of it inside the safety subspace, null without one
     * @param random the share that a random subspace of the same dimension has
     */
    public record Module(String module, @Nullable Integer layer, @Nullable Double norm, @Nullable Double inside, @Nullable Double random) {
        public Module {
            Required.present(module, "module");
        }
    }

    /**
     * The updates of a layer's modules.
     *
     * @param features how activations shift on data, the strongest first
     */
    public record Layer(int layer, @Nullable Double norm, @Nullable Double inside, @Nullable Double random, List<Shift> features) {
        public Layer {
            features = Required.orEmpty(features);
        }
    }

    /**
     * How a feature's mean activation shifts.
     *
     * @param score in the subspace, null where that has not got the feature
     */
    public record Shift(int feature, @Nullable Double shift, @Nullable Double meanBefore, @Nullable Double meanAfter,
        @Nullable Double score) {
    }
}
