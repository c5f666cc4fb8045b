package io.sails4j.sae;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.files.JsonObject;

/** Reads SAELens' {@code cfg.json}, of version 6 and before (SAELens sae_lens/loading/pretrained_sae_loaders.py, handle_pre_6_0_config). */
final class SaeLensConfigReader {
    /** transcoder, skip_transcoder, jumprelu_transcoder, jumprelu_skip_transcoder (SAELens sae_lens/__init__.py) and their relatives. */
    private static final String TWO_PLACES = ".*(transcoder|crosscoder|clt).*";

    private final JsonObject json;

    private SaeLensConfigReader(JsonObject json) {
        this.json = json;
    }

    static SaeConfig read(JsonObject json) {
        return new SaeLensConfigReader(json).read();
    }

    private SaeConfig read() {
        SaeConfig.Architecture architecture = architecture();
        if (json.optionalBoolean("finetuning_scaling_factor").orElse(false)) {
            throw json.wrong("finetuning_scaling_factor", true,
                "false: the scale is not part of the SAE's arrays; fold it into W_dec first");
        }
        String reshape = json.optionalString("reshape_activations").orElse("none");
        if (!reshape.equals("none")) {
            throw json.wrong("reshape_activations", "'" + reshape + "'", "'none' (SAEs on the residual stream)");
        }
        long dIn = json.requiredPositive("d_in");
        long dSae = json.requiredPositive("d_sae");
        int k = architecture == SaeConfig.Architecture.TOPK ? k(dSae) : 0;
        return new SaeConfig(architecture, dIn, dSae, json.optionalBoolean("apply_b_dec_to_input").orElse(true), layerNorm(), k,
            json.optionalBoolean("rescale_acts_by_decoder_norm").orElse(false));
    }

    private SaeConfig.Architecture architecture() {
        String name = json.optionalString("architecture").orElse("standard");
        String activation = json.optionalString("activation_fn_str").or(() -> json.optionalString("activation_fn")).orElse("relu");
        if (name.equals("standard") && activation.equals("topk")) {
            return SaeConfig.Architecture.TOPK;
        }
        return switch (name) {
            case "standard" -> {
                if (!activation.equals("relu")) {
                    throw json.wrong("activation_fn_str", "'" + activation + "'", "'relu' or 'topk'");
                }
                yield SaeConfig.Architecture.STANDARD;
            }
            case "jumprelu" -> SaeConfig.Architecture.JUMPRELU;
            case "topk" -> SaeConfig.Architecture.TOPK;
            case "gated" -> SaeConfig.Architecture.GATED;
            default -> throw json.wrong("architecture", "'" + name + "'", "standard, jumprelu, topk or gated" + (name.matches(TWO_PLACES)
                ? ": what reads one place of a model and writes another is no SAE of the residual stream" : ""));
        };
    }

    private boolean layerNorm() {
        JsonNode value = json.node().get("normalize_activations");
        String name = value == null || value.isNull() || value.isBoolean() && !value.booleanValue() ? "none" : value.asText();
        return switch (name) {
            case "none" -> false;
            case "layer_norm" -> true;
            default -> throw json.wrong("normalize_activations", "'" + name + "'",
                "'none' or 'layer_norm'; fold another normalisation into the weights first (SAELens: fold_activation_norm_scaling_factor)");
        };
    }

    private int k(long dSae) {
        long k = json.optionalLong("k")
            .or(() -> json.optionalObject("activation_fn_kwargs").flatMap(kwargs -> kwargs.optionalLong("k")))
            .orElseThrow(() -> json.wrong("k", "absent", "the number of active features of a top-k SAE"));
        if (k < 1 || k > dSae) {
            throw json.wrong("k", k, "1 to d_sae = " + dSae);
        }
        return (int) k;
    }
}
