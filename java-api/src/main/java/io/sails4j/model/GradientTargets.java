package io.sails4j.model;

import io.sails4j.config.ModuleKey;
import io.sails4j.tensor.Tensor;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a backward computes.
 *
 * @param parameters gradients F32 by checkpoint name, accumulated; a parameter that is not there is frozen and nothing of its gradient
 *     is computed or stored
 * @param trainedAdapter index in the {@link AdapterStack} of the adapter that {@code lora} belongs to, -1 = none
 * @param lora gradients of that adapter, accumulated
 * @param listener receives the gradients of the residual stream's sites and of the final norm, [batch * length, d_model] F32
 */
public record GradientTargets(Map<String, Tensor> parameters, int trainedAdapter, Map<ModuleKey, LowRankGradient> lora,
    @Nullable TensorListener listener) {
    /** Gradients of adapters; the weights are frozen. */
    public static GradientTargets ofLora(Map<ModuleKey, LowRankGradient> gradients) {
        return new GradientTargets(Map.of(), 0, gradients, null);
    }

    /** Gradients of parameters by their names in the checkpoint. */
    public static GradientTargets ofParameters(Map<String, Tensor> gradients) {
        return new GradientTargets(gradients, -1, Map.of(), null);
    }
}
