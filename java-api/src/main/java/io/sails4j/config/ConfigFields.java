package io.sails4j.config;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.files.JsonObject;
import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The fields of {@code config.json} that mean the same in every family; what is out of range is an error that names the key. */
record ConfigFields(JsonObject json) {
    /** Bounds on counts, far beyond any model, that keep a damaged number from asking for all memory or overflowing a size. */
    static final int MAX_LAYERS = 10_000;
    static final int MAX_HEADS = 1 << 16;
    static final int MAX_WIDTH = 1 << 28;
    private static final Map<String, DType> TYPES = Map.of("float32", DType.F32, "bfloat16", DType.BF16, "float16", DType.F16);

    /** The query and key/value heads. */
    record Heads(int query, int keyValue) {
    }

    /**
     * @param keyValueIsQuery whether an absent num_key_value_heads means as many as query heads
     */
    Heads heads(boolean keyValueIsQuery) {
        int query = positive("num_attention_heads", MAX_HEADS);
        int keyValue = keyValueIsQuery && !json.has("num_key_value_heads") ? query : positive("num_key_value_heads", MAX_HEADS);
        if (query % keyValue != 0) {
            throw json.wrong("num_attention_heads", query, "a multiple of num_key_value_heads = " + keyValue);
        }
        return new Heads(query, keyValue);
    }

    int headDim(int otherwise) {
        int headDim = json.has("head_dim") ? positive("head_dim", MAX_HEADS) : otherwise;
        if (headDim % 2 != 0) {
            throw json.wrong("head_dim", headDim, "an even number (RoPE turns pairs)");
        }
        return headDim;
    }

    DType dtype() {
        String key = json.has("dtype") ? "dtype" : "torch_dtype";
        String name = json.optionalString(key).orElse("float32");
        DType dtype = TYPES.get(name);
        if (dtype == null) {
            throw json.wrong(key, "'" + name + "'", "float32, bfloat16 or float16");
        }
        return dtype;
    }

    /** The frequencies' scaling and base, in the spelling of transformers 4 (rope_theta, rope_scaling) or 5 (rope_parameters). */
    record RopeFields(double theta, @Nullable JsonObject scaling, String typeKey, String type) {
    }

    RopeFields rope() {
        JsonObject parameters = json.optionalObject("rope_parameters").orElse(null);
        JsonObject scaling = parameters != null ? parameters : json.optionalObject("rope_scaling").orElse(null);
        double theta = new ConfigFields(parameters != null && parameters.has("rope_theta") ? parameters : json).positiveDouble("rope_theta",
            10_000);
        if (parameters != null) {
            requireSame(parameters, "rope_theta", json);
            json.optionalObject("rope_scaling").ifPresent(older -> List.of("rope_type", "factor", "low_freq_factor", "high_freq_factor",
                "original_max_position_embeddings").forEach(key -> requireSame(parameters, key, older)));
        }
        if (scaling == null) {
            return new RopeFields(theta, null, "", "default");
        }
        // transformers wrote 'type' before 'rope_type'.
        String key = scaling.has("rope_type") || parameters != null ? "rope_type" : "type";
        return new RopeFields(theta, scaling, key, scaling.optionalString(key).orElse(parameters != null ? "default" : ""));
    }

    /** A file may have both spellings where they say the same. */
    private static void requireSame(JsonObject newer, String key, JsonObject older) {
        JsonNode a = newer.node().path(key);
        JsonNode b = older.node().path(key);
        boolean given = a.isValueNode() && b.isValueNode() && !a.isNull() && !b.isNull();
        if (given && !(a.isNumber() && b.isNumber() ? a.doubleValue() == b.doubleValue() : a.equals(b))) {
            throw newer.wrong(key, shown(a), shown(b) + " as " + older.where() + " has it, or one of the two alone");
        }
    }

    private static String shown(JsonNode value) {
        return value.isTextual() ? "'" + value.textValue() + "'" : value.toString();
    }

    /** null means that no id ends an answer; an absent key the default of transformers. */
    List<Integer> eosIds(int otherwise) {
        JsonNode value = json.node().get("eos_token_id");
        if (value == null) {
            return List.of(otherwise);
        }
        if (value.isNull()) {
            return List.of();
        }
        List<Integer> ids = new ArrayList<>();
        for (JsonNode id : value.isArray() ? value : List.of(value)) {
            if (!id.isIntegralNumber() || !id.canConvertToInt() || id.intValue() < 0) {
                throw json.wrong("eos_token_id", value, "a token id or an array of them");
            }
            ids.add(id.intValue());
        }
        return ids;
    }

    int id(String key, int otherwise) {
        long id = json.optionalLong(key).orElse((long) otherwise);
        if (id < 0 || id > Integer.MAX_VALUE) {
            throw json.wrong(key, id, "a token id");
        }
        return (int) id;
    }

    int positive(String key, int most) {
        long value = json.requiredLong(key);
        if (value <= 0 || value > most) {
            throw json.wrong(key, value, "a positive integer of at most " + most);
        }
        return (int) value;
    }

    int positive(String key, int most, int otherwise) {
        requireNotNull(key);
        return json.has(key) ? positive(key, most) : otherwise;
    }

    double positiveDouble(String key, double otherwise) {
        requireNotNull(key);
        return requirePositive(key, json.optionalDouble(key).orElse(otherwise));
    }

    /** An absent key has a default, null has no meaning. */
    private void requireNotNull(String key) {
        if (json.node().path(key).isNull()) {
            throw json.wrong(key, "null", "a positive number, or no such key for the default");
        }
    }

    double requiredPositiveDouble(String key) {
        return requirePositive(key, json.requiredDouble(key));
    }

    private double requirePositive(String key, double value) {
        if (!(value > 0) || Double.isInfinite(value)) {
            throw json.wrong(key, value, "a positive number");
        }
        return value;
    }

    /** A switch that the engine knows in one position only. */
    void requireOff(String key, String why) {
        if (json.optionalBoolean(key).orElse(false)) {
            throw json.wrong(key, true, "false: " + why);
        }
    }

    void requireUnquantised() {
        boolean ours = json.optionalObject("quantization_config").flatMap(quantization -> quantization.optionalString("quant_method"))
            .filter(ModelConfig.QUANT_METHOD::equals).isPresent();
        if (json.has("quantization_config") && !ours) {
            throw json.wrong("quantization_config", "set", "an unquantised checkpoint (f32, bf16 or f16), or one that sails4j quantized");
        }
    }
}
