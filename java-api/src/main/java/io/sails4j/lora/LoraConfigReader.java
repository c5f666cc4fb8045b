package io.sails4j.lora;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.io.InputException;
import io.sails4j.io.JsonFiles;
import io.sails4j.io.JsonObject;
import io.sails4j.model.ModelConfig;
import io.sails4j.model.ModuleKey;
import io.sails4j.model.Projection;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/** Reads {@code adapter_config.json}; meaning of the keys: huggingface/peft src/peft/tuners/lora/config.py and tuners_utils.py. */
final class LoraConfigReader {
    private static final int MAX_RANK = 65_536;

    private final JsonObject json;
    private final ModelConfig model;

    private LoraConfigReader(JsonObject json, ModelConfig model) {
        this.json = json;
        this.model = model;
    }

    static LoraConfig read(Path file, ModelConfig model) {
        return new LoraConfigReader(JsonFiles.readObject(file), model).read();
    }

    private LoraConfig read() {
        refuseUnsupported();
        json.requiredLong("r");
        int r = rank("r", json.node().get("r"));
        SortedSet<ModuleKey> modules = modules();
        Map<ModuleKey, Integer> ranks = new HashMap<>();
        pattern("rank_pattern", modules, (module, value) -> ranks.putIfAbsent(module, rank("rank_pattern", value)));
        Map<ModuleKey, Double> alphas = new HashMap<>();
        pattern("alpha_pattern", modules, (module, value) -> alphas.putIfAbsent(module, value.doubleValue()));
        return new LoraConfig(r, json.optionalDouble("lora_alpha").orElse(8.0), json.optionalBoolean("use_rslora").orElse(false),
            json.optionalBoolean("use_dora").orElse(false), modules, ranks, alphas, json.optionalString("base_model_name_or_path").orElse(""));
    }

    private void refuseUnsupported() {
        String type = json.requiredString("peft_type");
        if (!type.equals("LORA")) {
            throw json.wrong("peft_type", "'" + type + "'", "'LORA'");
        }
        for (String key : List.of("lora_bias", "fan_in_fan_out", "use_qalora", "use_bdlora")) {
            if (json.optionalBoolean(key).orElse(false)) {
                throw json.wrong(key, true, "false: sails4j runs plain LoRA adapters");
            }
        }
        String bias = json.optionalString("bias").orElse("none");
        if (!bias.equals("none")) {
            throw json.wrong("bias", "'" + bias + "'", "'none'");
        }
        for (String key : List.of("modules_to_save", "layer_replication", "trainable_token_indices", "target_parameters", "alora_invocation_tokens")) {
            JsonNode value = json.node().get(key);
            if (value != null && !value.isNull() && !value.isEmpty()) {
                throw json.wrong(key, value, "nothing there: sails4j runs plain LoRA adapters");
            }
        }
    }

    private SortedSet<ModuleKey> modules() {
        List<Integer> layers = layers();
        List<Pattern> excluded = json.has("exclude_modules") ? patterns("exclude_modules") : List.of();
        List<Pattern> wanted = patterns("target_modules");
        SortedSet<ModuleKey> modules = new TreeSet<>();
        boolean[] used = new boolean[wanted.size()];
        for (int layer : layers) {
            for (Projection projection : Projection.values()) {
                String path = projection.modulePath(layer);
                for (int i = 0; i < used.length; i++) {
                    if (wanted.get(i).matcher(path).matches() && excluded.stream().noneMatch(p -> p.matcher(path).matches())) {
                        used[i] = true;
                        modules.add(new ModuleKey(layer, projection));
                    }
                }
            }
        }
        for (int i = 0; i < used.length; i++) {
            if (!used[i]) {
                throw json.wrong("target_modules", json.node().get("target_modules"),
                    "names of a block's projections (q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj); entry " + (i + 1)
                        + " matches none");
            }
        }
        return modules;
    }

    private List<Integer> layers() {
        List<Integer> layers = new ArrayList<>();
        JsonNode chosen = json.node().get("layers_to_transform");
        if (chosen == null || chosen.isNull()) {
            for (int layer = 0; layer < model.nLayers(); layer++) {
                layers.add(layer);
            }
            return layers;
        }
        for (JsonNode layer : chosen.isArray() ? chosen : List.of(chosen)) {
            if (!layer.canConvertToInt() || layer.intValue() < 0 || layer.intValue() >= model.nLayers()) {
                throw json.wrong("layers_to_transform", chosen, "layers of the base model, 0 to " + (model.nLayers() - 1));
            }
            layers.add(layer.intValue());
        }
        return layers;
    }

    /** A list names modules by the end of their path, a string is a regular expression for the whole path, or all-linear. */
    private List<Pattern> patterns(String key) {
        JsonNode value = json.node().get(key);
        if (value != null && value.isTextual()) {
            String text = value.textValue().equals("all-linear") ? ".*_proj" : value.textValue();
            return List.of(regex(key, text));
        }
        if (value == null || !value.isArray() || value.isEmpty()) {
            throw json.wrong(key, value == null || value.isNull() ? "absent" : value, "an array of module names, a regular expression or \"all-linear\"");
        }
        List<Pattern> patterns = new ArrayList<>();
        value.forEach(name -> patterns.add(Pattern.compile("(.*\\.)?" + Pattern.quote(name.asText()))));
        return patterns;
    }

    private int rank(String key, JsonNode value) {
        if (!value.canConvertToInt() || !value.isIntegralNumber() || value.intValue() < 1 || value.intValue() > MAX_RANK) {
            throw json.wrong(key, value, "a rank from 1 to " + MAX_RANK);
        }
        return value.intValue();
    }

    private Pattern regex(String key, String text) {
        try {
            return Pattern.compile(text);
        } catch (PatternSyntaxException e) {
            throw new InputException(json.where() + ": '" + key + "' has '" + text + "', which is not a regular expression: "
                + e.getDescription(), e);
        }
    }

    private interface PatternValue {
        void put(ModuleKey module, JsonNode value);
    }

    /** Keys are ends of module paths or regular expressions, of which the first that fits counts (peft get_pattern_key). */
    private void pattern(String key, SortedSet<ModuleKey> modules, PatternValue result) {
        JsonNode map = json.node().get(key);
        if (map == null || map.isNull()) {
            return;
        }
        if (!map.isObject()) {
            throw json.wrong(key, map, "an object from modules to numbers");
        }
        for (Map.Entry<String, JsonNode> entry : map.properties()) {
            if (!entry.getValue().isNumber() || !(entry.getValue().doubleValue() > 0)) {
                throw json.wrong(key, map, "positive numbers by module");
            }
            Pattern pattern = regex(key, "(.*\\.)?(" + entry.getKey() + ")");
            modules.stream().filter(m -> pattern.matcher(m.path()).matches()).forEach(m -> result.put(m, entry.getValue()));
        }
    }
}
