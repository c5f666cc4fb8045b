package io.sails4j.sae;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.files.JsonObject;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * {@code cfg.json} of sparsify (EleutherAI/sparsify sparsify/config.py and sparse_coder.py; the names are those of all versions):
 * <pre>
 *   acts = topk(relu((x - b_dec) encoder.weight^T + encoder.bias)),  x^ = acts W_dec + b_dec
 * </pre>
 * {@code normalize_decoder} keeps decoder rows at length 1 in training; what is stored is used as it is.
 */
final class SparsifyConfig {
    /** What these say is read below. */
    private static final Set<String> READ = Set.of("d_in", "num_latents", "expansion_factor", "k", "activation");
    /** Of training alone. */
    private static final Set<String> WITHOUT_EFFECT = Set.of("normalize_decoder", "multi_topk", "lookup_max_order",
        "gram_table_hash");
    private static final Map<String, String> REFUSED = Map.of(
        "transcode", "false: a transcoder is no SAE of the residual stream",
        "skip_connection", "false: a linear map beside the features is not supported",
        "embed_skip", "false: a map from the embedding beside the features is not supported",
        "gram_lookup", "false: a table of n-grams is not supported",
        "signed", "false: features that may be negative are not supported");

    private final JsonObject json;

    private SparsifyConfig(JsonObject json) {
        this.json = json;
    }

    static SaeConfig read(JsonObject json) {
        return new SparsifyConfig(json).read();
    }

    private SaeConfig read() {
        REFUSED.forEach((key, expected) -> {
            if (json.optionalBoolean(key).orElse(false)) {
                throw json.wrong(key, true, expected);
            }
        });
        refuseUnknown();
        String activation = json.optionalString("activation").orElse("topk");
        if (!activation.equals("topk")) {
            throw json.wrong("activation", "'" + activation + "'", "'topk'");
        }
        long dIn = json.requiredPositive("d_in");
        long dSae = json.optionalLong("num_latents").orElse(0L);
        if (dSae == 0) {
            dSae = dIn * json.requiredPositive("expansion_factor");
        }
        if (dSae < 1 || dSae > Integer.MAX_VALUE) {
            throw json.wrong(json.optionalLong("num_latents").orElse(0L) == 0 ? "expansion_factor" : "num_latents", dSae,
                "1 to 2^31 - 1 features");
        }
        long k = json.requiredPositive("k");
        if (k > dSae) {
            throw json.wrong("k", k, "1 to d_sae = " + dSae);
        }
        return new SaeConfig(SaeConfig.Architecture.TOPK, dIn, dSae, true, false, (int) k, false);
    }

    /** A setting that nothing is known of may change what is computed. */
    private void refuseUnknown() {
        json.node().properties().forEach(field -> {
            String key = field.getKey();
            if (isSet(field.getValue())
                && List.of(READ, WITHOUT_EFFECT, REFUSED.keySet()).stream().noneMatch(known -> known.contains(key))) {
                throw json.wrong(key, field.getValue(), "no such key in a sparsify SAE; remove it if it has no effect on what is computed");
            }
        });
    }

    private static boolean isSet(JsonNode value) {
        return switch (value.getNodeType()) {
            case NULL, MISSING -> false;
            case BOOLEAN -> value.booleanValue();
            case NUMBER -> value.doubleValue() != 0;
            case STRING -> !value.textValue().isEmpty();
            case ARRAY, OBJECT -> !value.isEmpty();
            case BINARY, POJO -> true;
        };
    }
}
