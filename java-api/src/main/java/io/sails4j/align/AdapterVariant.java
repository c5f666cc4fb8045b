package io.sails4j.align;

import io.sails4j.InputException;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;

/**
 * How adapters differ from the plain one of a single rank.
 *
 * @param useRslora scale by alpha / sqrt(r) (arXiv:2312.03732)
 * @param rankPattern as PEFT's rank_pattern; the first that fits counts
 * @param alphaPattern lora_alpha likewise
 * @param init how a plain adapter starts
 * @param useDora with trained lengths of the adapted rows (arXiv:2402.09353), for plain adapters
 */
@OptionGroup("Adapter")
public record AdapterVariant(
    @Described(value = "scale by lora_alpha / sqrt(r) instead (rsLoRA)", usedWith = "method=sails|lora") boolean useRslora,
    @Described(value = "ranks of modules by the end of their path or a regular expression",
        label = "MODULE=R", usedWith = "method=sails|lora") Map<String, Integer> rankPattern,
    @Described(value = "lora_alpha of modules likewise", label = "MODULE=A",
        usedWith = "method=sails|lora") Map<String, Double> alphaPattern,
    @Described(value = "how a plain adapter (method=lora) starts; pissa: as the principal part of each weight, written as an adapter"
        + " of twice the rank", usedWith = "method=lora") Init init,
    @Described(value = "train the lengths of the adapted rows too (DoRA, for method=lora)", usedWith = "method=lora") boolean useDora) {

    /** The start of a plain adapter; one in the subspace starts there. */
    public enum Init {
        /** PEFT's own: lora_A uniform, lora_B = 0. */
        KAIMING,
        /** Both factors random, with rows that make lora_B lora_A = 0 (huggingface/peft tuners/lora/layer.py, orthogonal_init). */
        ORTHOGONAL,
        /** The principal directions of each weight, taken out of the weight itself (PiSSA, arXiv:2404.02948). */
        PISSA
    }

    public AdapterVariant {
        rankPattern = Collections.unmodifiableMap(new LinkedHashMap<>(rankPattern));
        alphaPattern = Collections.unmodifiableMap(new LinkedHashMap<>(alphaPattern));
        rankPattern.forEach((key, r) -> {
            if (r < 1) {
                throw new InputException("rank_pattern gives " + key + " the rank " + r + ", expected 1 or more");
            }
        });
        if (useDora && init == Init.PISSA) {
            throw new InputException("DoRA with the start 'pissa' is not to be had: choose one of them");
        }
        alphaPattern.forEach((key, alpha) -> {
            if (!(alpha > 0) || Double.isInfinite(alpha)) {
                throw new InputException("alpha_pattern gives " + key + " the alpha " + alpha + ", expected a positive number");
            }
        });
    }

    /** LoRA as in arXiv:2106.09685: scale alpha / r, one rank, lora_B = 0. */
    public static AdapterVariant plain() {
        return new AdapterVariant(false, Map.of(), Map.of(), Init.KAIMING, false);
    }

    /** Another variant: {@code change} gets a builder that has this one. */
    public AdapterVariant with(Consumer<Builder> change) {
        Builder builder = new Builder(this);
        change.accept(builder);
        return new AdapterVariant(builder.useRslora, builder.rankPattern, builder.alphaPattern, builder.init, builder.useDora);
    }

    /** The components, to be changed. */
    public static final class Builder {
        public boolean useRslora;
        public Map<String, Integer> rankPattern;
        public Map<String, Double> alphaPattern;
        public Init init;
        public boolean useDora;

        private Builder(AdapterVariant from) {
            useRslora = from.useRslora;
            rankPattern = from.rankPattern;
            alphaPattern = from.alphaPattern;
            init = from.init;
            useDora = from.useDora;
        }
    }
}
