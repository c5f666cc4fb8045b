package io.sails4j.config;

import io.sails4j.InputException;
import io.sails4j.options.OptionValue;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** The seven linear maps of a block, by the names that PEFT uses. */
public enum Projection implements OptionValue {
    Q_PROJ("self_attn"), K_PROJ("self_attn"), V_PROJ("self_attn"), O_PROJ("self_attn"), GATE_PROJ("mlp"), UP_PROJ("mlp"), DOWN_PROJ("mlp");

    private final String parent;

    Projection(String parent) {
        this.parent = parent;
    }

    @Override
    public String spelling() {
        return peftName();
    }

    /** {@code q_proj} and so on. */
    public String peftName() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** {@code model.layers.N.self_attn.q_proj} and so on. */
    public String modulePath(int layer) {
        return "model.layers." + layer + "." + parent + "." + peftName();
    }

    /** Width of the input. */
    public long dIn(ModelConfig config) {
        return switch (this) {
            case Q_PROJ, K_PROJ, V_PROJ, GATE_PROJ, UP_PROJ -> config.dModel();
            case O_PROJ -> config.qWidth();
            case DOWN_PROJ -> config.dFf();
        };
    }

    /** Width of the output. */
    public long dOut(ModelConfig config) {
        return switch (this) {
            case Q_PROJ -> config.qWidth();
            case K_PROJ, V_PROJ -> config.kvWidth();
            case GATE_PROJ, UP_PROJ -> config.dFf();
            case O_PROJ, DOWN_PROJ -> config.dModel();
        };
    }

    /** Whether the input is the (normalised) residual stream: then {@code lora_A} faces it. */
    public boolean readsResidual() {
        return !writesResidual();
    }

    /** Whether the output goes to the residual stream: then {@code lora_B} faces it. */
    public boolean writesResidual() {
        return this == O_PROJ || this == DOWN_PROJ;
    }

    /**
     * The map of a name such as {@code q_proj}.
     *
     * @throws InputException where no map is called so
     */
    public static Projection parse(String name) {
        for (Projection projection : values()) {
            if (projection.peftName().equals(name)) {
                return projection;
            }
        }
        throw new InputException("'" + name + "' is no projection of a block, expected one of "
            + Arrays.stream(values()).map(Projection::peftName).collect(Collectors.joining(", ")));
    }
}
