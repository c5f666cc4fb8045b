package io.sails4j.align;

import io.sails4j.io.InputException;
import io.sails4j.lora.LoraConfig;
import io.sails4j.config.ModelConfig;
import io.sails4j.config.Projection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/**
 * How adapters differ from the plain one of a single rank.
 *
 * @param rsLora scale by alpha / sqrt(r) (arXiv:2312.03732)
 * @param rankPattern ranks of modules by the end of their path or a regular expression for it, as PEFT's rank_pattern; the first that fits counts
 * @param alphaPattern lora_alpha likewise
 * @param init how a plain adapter starts
 * @param dora with trained lengths of the adapted rows (arXiv:2402.09353), for plain adapters
 */
public record AdapterOptions(boolean rsLora, Map<String, Integer> rankPattern, Map<String, Double> alphaPattern, Init init, boolean dora) {
    /** The start of a plain adapter; one in the subspace starts there. */
    public enum Init {
        /** PEFT's own: lora_A uniform, lora_B = 0. */
        KAIMING,
        /** Both factors random, with rows that make lora_B lora_A = 0 (huggingface/peft tuners/lora/layer.py, orthogonal_init). */
        ORTHOGONAL,
        /** The principal directions of each weight, taken out of the weight itself (PiSSA, arXiv:2404.02948). */
        PISSA
    }

    public AdapterOptions(boolean rsLora, Map<String, Integer> rankPattern, Map<String, Double> alphaPattern, Init init) {
        this(rsLora, rankPattern, alphaPattern, init, false);
    }

    public AdapterOptions {
        rankPattern = Collections.unmodifiableMap(new LinkedHashMap<>(rankPattern));
        alphaPattern = Collections.unmodifiableMap(new LinkedHashMap<>(alphaPattern));
        rankPattern.forEach((key, r) -> {
            if (r < 1) {
                throw new InputException("rank_pattern gives " + key + " the rank " + r + ", expected 1 or more");
            }
        });
        if (dora && init == Init.PISSA) {
            throw new InputException("DoRA with the start 'pissa' is not to be had: choose one of them");
        }
        alphaPattern.forEach((key, alpha) -> {
            if (!(alpha > 0) || Double.isInfinite(alpha)) {
                throw new InputException("alpha_pattern gives " + key + " the alpha " + alpha + ", expected a positive number");
            }
        });
    }

    public static AdapterOptions plain() {
        return new AdapterOptions(false, Map.of(), Map.of(), Init.KAIMING);
    }

    LoraConfig config(ModelConfig model, Set<Projection> targets, int r, double alpha, String baseModel) {
        return LoraConfig.uniform(model, targets, r, alpha, baseModel).withPatterns(rsLora, rankPattern, alphaPattern).withDora(dora);
    }
}
