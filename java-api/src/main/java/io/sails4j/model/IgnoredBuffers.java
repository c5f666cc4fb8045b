package io.sails4j.model;

import io.sails4j.tensor.HostTensor;
import java.util.List;
import java.util.regex.Pattern;

/**
 * Tensors of a checkpoint that are no parameters: buffers that older versions of transformers registered and saved, and that every version
 * computes anew when it loads. They hold nothing that config.json does not say.
 *
 * <ul> <li>RoPE's frequencies: {@code rotary_emb.inv_freq} in each layer, or once in the model. transformers passes over all of them
 * (huggingface/transformers pull 35255; src/transformers/models/llama/modeling_llama.py before 4.32 saved them). <li>RoPE's tables:
 * {@code rotary_emb.cos_cached} and {@code sin_cached} (the same file before 4.27). <li>Causal masks: {@code attn.bias}, which is
 * [1, 1, n, n] and no vector, and the number {@code masked_bias} beside it, as GPT-2's attention has them (huggingface/transformers pulls
 * 23256 and 24113), and {@code causal_mask} [n, n] of the model (modeling_gemma.py and modeling_llama.py of 4.38). </ul>
 */
final class IgnoredBuffers {
    private static final Pattern ROPE = Pattern
        .compile("model\\.(layers\\.[0-9]+\\.self_attn\\.)?rotary_emb\\.(inv_freq|original_inv_freq|cos_cached|sin_cached)");
    private static final Pattern MASK = Pattern.compile("model\\.(causal_mask|layers\\.[0-9]+\\.(self_attn|attn)\\.bias)");
    private static final Pattern MASKED = Pattern.compile("model\\.layers\\.[0-9]+\\.(self_attn|attn)\\.masked_bias");

    private IgnoredBuffers() {
    }

    /** Whether a tensor of a checkpoint is such a buffer, by its name and its shape. */
    static boolean contain(String name, HostTensor tensor) {
        int rank = tensor.shape().rank();
        return ROPE.matcher(name).matches() || MASKED.matcher(name).matches() && tensor.shape().numel() == 1
            || MASK.matcher(name).matches() && rank >= 2 && tensor.shape().dim(-1) == tensor.shape().dim(-2)
                && tensor.shape().numel() == tensor.shape().dim(-1) * tensor.shape().dim(-2);
    }

    /** A sentence on those that a checkpoint has. */
    static String sentence(Object where, List<String> names) {
        return where + " has " + names.size() + (names.size() == 1 ? " buffer" : " buffers")
            + " that config.json determines (tables of RoPE, causal masks), ignored: "
            + String.join(", ", names.subList(0, Math.min(3, names.size()))) + (names.size() > 3 ? ", ..." : "");
    }
}
