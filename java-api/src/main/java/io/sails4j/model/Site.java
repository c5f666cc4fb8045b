package io.sails4j.model;

/** A place of a model whose tensors can be looked at: in each layer, or once. */
public enum Site {
    /** The residual stream before the first layer, {@code hidden.embed}. */
    EMBED("hidden.embed", false),
    /** The output of a layer's attention before any norm, {@code attn_out.N}. */
    ATTENTION_OUT("attn_out.", true),
    /** The residual stream between attention and MLP, {@code hidden.mid.N}. */
    MID("hidden.mid.", true),
    /** The output of a layer's MLP before any norm, {@code mlp_out.N}. */
    MLP_OUT("mlp_out.", true),
    /** The residual stream after a layer, {@code hidden.layer.N}. */
    LAYER("hidden.layer.", true),
    /** What the output matrix reads, {@code hidden.final_norm}. */
    FINAL_NORM("hidden.final_norm", false);

    /** The layer of a site that is there once. */
    public static final int NO_LAYER = -1;

    private final String title;
    private final boolean inEachLayer;

    Site(String title, boolean inEachLayer) {
        this.title = title;
        this.inEachLayer = inEachLayer;
    }

    /** Whether it is a place of the residual stream, where a {@link StreamEdit} is called. */
    boolean residualStream() {
        return this == EMBED || this == MID || this == LAYER;
    }

    /** The name in trace files. */
    public String title(int layer) {
        return inEachLayer ? title + layer : title;
    }
}
