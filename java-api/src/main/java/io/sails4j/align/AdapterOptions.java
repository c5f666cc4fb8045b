package io.sails4j.align;

import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.config.Projection;
import io.sails4j.lora.LoraConfig;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;
import java.util.EnumSet;
import java.util.Set;

/**
 * Which maps get an adapter, and of what shape.
 *
 * @param targets in every layer; empty only where nothing of it is used
 */
@OptionGroup("Adapter")
public record AdapterOptions(
    @Described(value = "linear maps with an adapter, in every layer", label = "NAME,...",
        usedWith = "method=sails|lora") Set<Projection> targets,
    @Described(value = "rank of the adapters", label = "R", usedWith = "method=sails|lora") int r,
    @Described(value = "the adapter's output is scaled by lora_alpha / r", label = "A", usedWith = "method=sails|lora") double loraAlpha,
    AdapterVariant variant) {

    public AdapterOptions {
        targets = Set.copyOf(targets);
        if (r < 1) {
            throw new InputException("the LoRA rank is " + r + ", expected 1 or more");
        }
        InputException.requireOption(loraAlpha > 0 && Double.isFinite(loraAlpha), "lora_alpha", loraAlpha, "a positive number");
    }

    /** The paper's modules: what attention reads and writes. */
    public static AdapterOptions ofAttention(int r) {
        return of(EnumSet.of(Projection.Q_PROJ, Projection.K_PROJ, Projection.V_PROJ, Projection.O_PROJ), r);
    }

    /** Plain adapters with lora_alpha = r. */
    public static AdapterOptions of(Set<Projection> targets, int r) {
        return new AdapterOptions(targets, r, r, AdapterVariant.plain());
    }

    /** The same of another variant. */
    public AdapterOptions withVariant(AdapterVariant other) {
        return new AdapterOptions(targets, r, loraAlpha, other);
    }

    /** The same with another {@code lora_alpha}. */
    public AdapterOptions withAlpha(double other) {
        return new AdapterOptions(targets, r, other, variant);
    }

    /**
     * The adapter's configuration for such a model, which knows the rank of each module.
     *
     * @throws InputException where a pattern names no module that is adapted
     */
    public LoraConfig config(ModelConfig model, String baseModel) {
        return LoraConfig.uniform(model, targets, r, loraAlpha, baseModel)
            .withPatterns(variant.useRslora(), variant.rankPattern(), variant.alphaPattern())
            .withDora(variant.useDora());
    }
}
