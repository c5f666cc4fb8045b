package io.sails4j.lora;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.files.JsonObject;
import io.sails4j.files.ShortText;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * Every field of {@code adapter_config.json}, so that none goes unseen: huggingface/peft 0.20 and 0.21, src/peft/config.py
 * (PeftConfigMixin, PeftConfig) and src/peft/tuners/lora/config.py (LoraConfig). docs/formats.md has the same table.
 */
final class LoraConfigFields {
    /** Fields that {@link LoraConfigReader} and {@link TargetModules} read. */
    private static final Set<String> READ = Set.of("peft_type", "base_model_name_or_path", "r", "lora_alpha", "rank_pattern",
        "alpha_pattern",
        "use_rslora", "use_dora", "target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "bias",
        "init_lora_weights");

    /**
     * Fields that say how the adapter was trained or stored: with any value, its files mean the same. VeLoRA changes the backward alone.
     */
    private static final Set<String> WITHOUT_EFFECT = Set.of("task_type", "auto_mapping", "peft_version", "revision", "inference_mode",
        "lora_dropout",
        "megatron_core", "loftq_config", "eva_config", "corda_config", "lora_ga_config", "qalora_group_size", "velora_config",
        "runtime_config",
        "ensure_weight_tying");

    private static final String MERGE = "; in PEFT, merge_and_unload gives a checkpoint that can be used";

    /** Fields that change what the model computes, and what is expected of each. Unset is false, absent or empty. */
    private static final Map<String, String> REFUSED = refused();

    private LoraConfigFields() {
    }

    private static Map<String, String> refused() {
        Map<String, String> fields = new LinkedHashMap<>();
        fields.put("fan_in_fan_out", "false: weights here are [out, in], for which PEFT sets it to false as well; write false");
        fields.put("lora_bias", "false: lora_B has no bias here; train without it");
        fields.put("modules_to_save", "nothing there: whole modules trained beside the adapter are not read" + MERGE);
        fields.put("trainable_token_indices", "nothing there: trained embedding rows are not read" + MERGE);
        fields.put("target_parameters", "nothing there: adapters stand on the seven projections; name those in target_modules");
        fields.put("layer_replication", "nothing there: the layers are those of the base model" + MERGE);
        fields.put("megatron_config", "nothing there: layers sharded by Megatron are not read; save the adapter from an ordinary model");
        fields.put("alora_invocation_tokens",
            "nothing there: the adapter would begin at these tokens, here it is active everywhere; train without it");
        fields.put("use_qalora", "false: the input of lora_A is not pooled here" + MERGE);
        fields.put("use_bdlora", "nothing there: block-diagonal factors are not read" + MERGE);
        fields.put("arrow_config", "nothing there: adapters are not routed by token here; load each of them with a weight");
        fields.put("monteclora_config", "nothing there: adapter weights are not sampled here" + MERGE);
        fields.put("kasa_config", "nothing there: it replaces the base weights by truncated ones" + MERGE);
        return fields;
    }

    /**
     * Refuses fields whose value changes the mathematics in a way that is not built.
     *
     * @return a sentence for each unknown field
     */
    static List<String> check(JsonObject json) {
        for (Map.Entry<String, String> field : REFUSED.entrySet()) {
            JsonNode value = json.node().get(field.getKey());
            if (value != null && isSet(value)) {
                throw json.wrong(field.getKey(), shortened(value), field.getValue());
            }
        }
        checkBias(json);
        checkInitialisation(json);
        Set<String> names = new TreeSet<>();
        json.node().fieldNames().forEachRemaining(names::add);
        List<String> unknown = new ArrayList<>();
        for (String name : names) {
            if (!READ.contains(name) && !WITHOUT_EFFECT.contains(name) && !REFUSED.containsKey(name)) {
                unknown.add(json.where() + ": the field '" + name + "', which is " + shortened(json.node().get(name))
                    + ", is not one of PEFT's LoRA adapters up to 0.21 and is ignored");
            }
        }
        return unknown;
    }

    private static boolean isSet(JsonNode value) {
        return !value.isNull() && !(value.isBoolean() && !value.booleanValue()) && !(value.isContainerNode() && value.isEmpty());
    }

    /** With all or lora_only, PEFT stores the base model's biases beside the adapter; a model without biases has nothing to store. */
    private static void checkBias(JsonObject json) {
        String bias = json.optionalString("bias").orElse("none");
        if (!Set.of("none", "all", "lora_only").contains(bias)) {
            throw json.wrong("bias", "'" + bias + "'", "'none', or 'all' or 'lora_only' with no bias in the file");
        }
    }

    /**
     * Some starts move a part of the base weights into the adapter. PEFT writes init_lora_weights true when it has turned such an adapter
     * into one for the original weights; otherwise the file belongs to weights that are nowhere.
     */
    private static void checkInitialisation(JsonObject json) {
        JsonNode value = json.node().get("init_lora_weights");
        if (value == null || value.isNull() || value.isBoolean()) {
            return;
        }
        String name = value.asText().toLowerCase(Locale.ROOT);
        if (Set.of("gaussian", "orthogonal", "eva", "mica").contains(name)) {
            return;
        }
        boolean movesBase = name.matches("pissa.*|corda.*|olora|loftq|lora_ga");
        throw json.wrong("init_lora_weights", shortened(value), "true, false, 'gaussian', 'orthogonal', 'eva' or 'mica'" + (!movesBase ? ""
            : ": the adapter belongs to base weights that this start has changed; save it in PEFT with"
                + " path_initial_model_for_weight_conversion"));
    }

    private static String shortened(JsonNode value) {
        String text = value.isTextual() ? "'" + value.textValue().replaceAll("\\s+", " ") + "'" : value.toString();
        return ShortText.of(text, 80);
    }
}
