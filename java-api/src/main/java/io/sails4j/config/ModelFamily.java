package io.sails4j.config;

import io.sails4j.InputException;
import io.sails4j.ops.GluActivation;
import java.util.Arrays;
import java.util.stream.Collectors;

/** What the families that sails4j runs do differently; all else of a model is in its {@link ModelConfig}. */
public enum ModelFamily {
    /** google/gemma_pytorch gemma/model.py; huggingface/transformers modeling_gemma2.py. */
    GEMMA2("gemma2", "Gemma-2", 1, true, true, GluActivation.GELU_TANH, "pre_feedforward_layernorm"),
    /** Llama-3.x: huggingface/transformers modeling_llama.py, whose post_attention_layernorm stands before the feed-forward. */
    LLAMA("llama", "Llama", 0, false, false, GluActivation.SILU, "post_attention_layernorm");

    private final String modelType;
    private final String title;
    private final float normOffset;
    private final boolean postNorms;
    private final boolean scalesEmbedding;
    private final GluActivation activation;
    private final String preFeedforwardNorm;

    ModelFamily(String modelType, String title, float normOffset, boolean postNorms, boolean scalesEmbedding, GluActivation activation,
        String preFeedforwardNorm) {
        this.modelType = modelType;
        this.title = title;
        this.normOffset = normOffset;
        this.postNorms = postNorms;
        this.scalesEmbedding = scalesEmbedding;
        this.activation = activation;
        this.preFeedforwardNorm = preFeedforwardNorm;
    }

    /** {@code model_type} of config.json. */
    public String modelType() {
        return modelType;
    }

    /** The family of this {@code model_type}. */
    public static ModelFamily parse(String modelType) {
        return Arrays.stream(values()).filter(family -> family.modelType.equals(modelType)).findFirst()
            .orElseThrow(() -> new InputException(
                "there is no model family '" + modelType + "', expected one of "
                    + Arrays.stream(values()).map(ModelFamily::modelType).collect(Collectors.joining(", "))));
    }

    /** The name for people. */
    public String title() {
        return title;
    }

    /** What norm weights are stored as an offset from. */
    public float normOffset() {
        return normOffset;
    }

    /** Whether the outputs of attention and feed-forward are normalised before they are added to the residual stream. */
    public boolean postNorms() {
        return postNorms;
    }

    /** Whether embeddings are multiplied by sqrt(d_model). */
    public boolean scalesEmbedding() {
        return scalesEmbedding;
    }

    /** The gate's activation. */
    public GluActivation activation() {
        return activation;
    }

    /** The checkpoint's name of the norm before the feed-forward. */
    public String preFeedforwardNorm() {
        return preFeedforwardNorm;
    }
}
