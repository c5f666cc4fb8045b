package io.sails4j.config;

/** One linear map of the model. Ordered by layer, then as the projections stand in a block. */
public record ModuleKey(int layer, Projection projection) implements Comparable<ModuleKey> {
    /** {@code model.layers.N.self_attn.q_proj}. */
    public String path() {
        return projection.modulePath(layer);
    }

    @Override
    public int compareTo(ModuleKey other) {
        return layer != other.layer ? Integer.compare(layer, other.layer) : projection.compareTo(other.projection);
    }

    @Override
    public String toString() {
        return path();
    }
}
