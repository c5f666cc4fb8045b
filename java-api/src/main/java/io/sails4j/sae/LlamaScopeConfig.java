package io.sails4j.sae;

import io.sails4j.InputException;
import io.sails4j.files.JsonObject;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * {@code hyperparams.json} of Llama Scope (OpenMOSS/Language-Model-SAEs src/lm_saes/config.py; arXiv:2410.20526).
 *
 * @param dataset whether the SAE was trained on inputs scaled to the mean norm sqrt(d_model)
 * @param jumpReluThreshold one threshold for all features, in units of inputs that are not scaled; null where the weights hold thresholds
 * @param k active features of a top-k encoder, else 0
 * @param includeDecoderNorm whether activations times decoder norms are what is compared
 */
record LlamaScopeConfig(SaeConfig.Architecture architecture, long dIn, long dSae, boolean dataset, @Nullable Double normIn,
    @Nullable Double normOut,
    @Nullable Double jumpReluThreshold, int k, boolean includeDecoderNorm, boolean decoderBias, boolean applyDecoderBias,
    SaeHook hook) {
    /** Llama3_1-8B-Base-L12R-8x: the layer, and R residual stream, M feed-forward, A attention, TC transcoder (arXiv:2410.20526). */
    private static final Pattern FOLDER = Pattern.compile("(?:.*[-_])?(L(\\d{1,9})(R|M|A|TC|T))(?:[-_].*)?");

    /** From {@code hyperparams.json} in a directory of a name, which tells the place where the file does not. */
    static LlamaScopeConfig read(JsonObject json, String directory) {
        refuseUnsupported(json);
        String activation = json.requiredString("act_fn").toLowerCase(Locale.ROOT);
        SaeConfig.Architecture architecture = switch (activation) {
            case "jumprelu" -> SaeConfig.Architecture.JUMPRELU;
            case "topk" -> SaeConfig.Architecture.TOPK;
            case "relu" -> SaeConfig.Architecture.STANDARD;
            default -> throw json.wrong("act_fn", "'" + activation + "'", "'jumprelu', 'topk' or 'relu'");
        };
        long dIn = json.requiredPositive("d_model");
        long dSae = json.has("d_sae") || !json.has("expansion_factor") ? json.requiredPositive("d_sae")
            : dIn * json.requiredPositive("expansion_factor");
        if (dSae > Integer.MAX_VALUE) {
            throw json.wrong("expansion_factor", json.node().get("expansion_factor"), "a factor with d_sae = " + dSae + " below 2^31");
        }
        int k = architecture == SaeConfig.Architecture.TOPK ? (int) json.requiredPositive("top_k") : 0;
        if (k > dSae) {
            throw json.wrong("top_k", k, "1 to d_sae = " + dSae);
        }
        Optional<JsonObject> norms = json.optionalObject("dataset_average_activation_norm");
        boolean decoderBias = json.optionalBoolean("use_decoder_bias").orElse(true);
        return new LlamaScopeConfig(architecture, dIn, dSae, dataset(json), norm(norms, "in"), norm(norms, "out"), threshold(json), k,
            json.optionalBoolean("sparsity_include_decoder_norm").orElse(true), decoderBias,
            decoderBias && json.optionalBoolean("apply_decoder_bias_to_pre_encoder").orElse(false), hook(json, directory));
    }

    private static void refuseUnsupported(JsonObject json) {
        String type = json.optionalString("sae_type").orElse("sae");
        if (!type.equals("sae")) {
            throw json.wrong("sae_type", "'" + type + "'", "'sae'");
        }
        if (json.optionalBoolean("use_glu_encoder").orElse(false)) {
            throw json.wrong("use_glu_encoder", true, "false: encoders with a gate are not supported");
        }
        Optional<String> out = json.optionalString("hook_point_out");
        String in = out.isPresent() ? json.requiredString("hook_point_in") : "";
        if (out.isPresent() && !in.equals(out.get())) {
            throw json.wrong("hook_point_out", "'" + out.get() + "'",
                "hook_point_in = '" + in + "': a transcoder is no SAE of the residual stream");
        }
    }

    private static SaeHook hook(JsonObject json, String directory) {
        Optional<String> in = json.optionalString("hook_point_in");
        if (in.isPresent()) {
            return HookName.parse(in.get()).from("'hook_point_in' in " + json.where());
        }
        Matcher folder = FOLDER.matcher(directory);
        if (!folder.matches()) {
            return SaeHook.untold();
        }
        String kind = folder.group(3);
        String place = "blocks." + folder.group(2) + "." + switch (kind) {
            case "R" -> "hook_resid_post";
            case "M" -> "hook_mlp_out";
            case "A" -> "hook_attn_out";
            default -> throw new InputException(json.where() + " has no 'hook_point_in', and " + folder.group(1)
                + " in its directory's name is that of a transcoder, which is no SAE of the residual stream");
        };
        return HookName.parse(place).from(folder.group(1) + " in the directory's name");
    }

    private static boolean dataset(JsonObject json) {
        String norm = json.optionalString("norm_activation").orElse("dataset-wise");
        return switch (norm) {
            case "dataset-wise" -> true;
            case "inference" -> false;
            default -> throw json.wrong("norm_activation", "'" + norm + "'",
                "one of " + List.of("dataset-wise", "inference") + "; scaling that depends on the input is not supported");
        };
    }

    private static @Nullable Double norm(Optional<JsonObject> norms, String key) {
        return norms.flatMap(n -> n.optionalDouble(key).map(value -> {
            if (!(value > 0) || value.isInfinite()) {
                throw n.wrong(key, value, "a positive number");
            }
            return value;
        })).orElse(null);
    }

    private static @Nullable Double threshold(JsonObject json) {
        return json.optionalDouble("jump_relu_threshold").map(value -> {
            if (!(value >= 0) || value.isInfinite()) {
                throw json.wrong("jump_relu_threshold", value, "a number from 0 on");
            }
            return value;
        }).orElse(null);
    }

    SaeConfig toSaeConfig() {
        return new SaeConfig(architecture, dIn, dSae, applyDecoderBias, false, k, false);
    }
}
