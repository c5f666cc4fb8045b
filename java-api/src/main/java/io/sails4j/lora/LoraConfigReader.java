package io.sails4j.lora;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.config.ModelConfig;
import io.sails4j.config.ModuleKey;
import io.sails4j.files.JsonFiles;
import io.sails4j.files.JsonObject;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedSet;
import java.util.function.BiConsumer;

/** Reads {@code adapter_config.json}; meaning of the keys: huggingface/peft src/peft/tuners/lora/config.py and model.py. */
final class LoraConfigReader {
    private static final int MAX_RANK = 65_536;

    private final JsonObject json;
    private final ModelConfig model;
    private final List<String> notes = new ArrayList<>();

    private LoraConfigReader(JsonObject json, ModelConfig model) {
        this.json = json;
        this.model = model;
    }

    /**
     * @param velora the adapter was trained with VeLoRA, whose file has a tensor more in each module
     * @param notes what a person should know of: fields that are unknown, patterns that fit nothing
     */
    record Found(LoraConfig config, boolean velora, List<String> notes) {
    }

    static Found read(Path file, ModelConfig model) {
        return new LoraConfigReader(JsonFiles.readObject(file), model).read();
    }

    private Found read() {
        String type = json.requiredString("peft_type");
        if (!type.equals("LORA")) {
            throw json.wrong("peft_type", "'" + type + "'", "'LORA'");
        }
        notes.addAll(LoraConfigFields.check(json));
        json.requiredLong("r");
        int r = rank("r", json.node().get("r"));
        SortedSet<ModuleKey> modules = TargetModules.read(json, model, notes);
        Map<ModuleKey, Integer> ranks = new HashMap<>();
        pattern("rank_pattern", modules, (module, value) -> ranks.putIfAbsent(module, rank("rank_pattern", value)));
        Map<ModuleKey, Double> alphas = new HashMap<>();
        pattern("alpha_pattern", modules, (module, value) -> alphas.putIfAbsent(module, value.doubleValue()));
        if (json.node().path("lora_alpha").isNull()) {
            throw json.wrong("lora_alpha", "null", "a number; without the key it is PEFT's 8");
        }
        double alpha = finite("lora_alpha", json.optionalDouble("lora_alpha").orElse(8.0));
        return new Found(new LoraConfig(r, alpha, json.optionalBoolean("use_rslora").orElse(false),
            json.optionalBoolean("use_dora").orElse(false), modules, ranks, alphas,
            json.optionalString("base_model_name_or_path").orElse("")),
            json.has("velora_config"), List.copyOf(notes));
    }

    private double finite(String key, double value) {
        if (!Double.isFinite(value)) {
            throw json.wrong(key, value, "a finite number");
        }
        return value;
    }

    private int rank(String key, JsonNode value) {
        if (!value.canConvertToInt() || !value.isIntegralNumber() || value.intValue() < 1 || value.intValue() > MAX_RANK) {
            throw json.wrong(key, value, "a rank from 1 to " + MAX_RANK);
        }
        return value.intValue();
    }

    /**
     * Keys are ends of module paths or regular expressions, of which the first that fits counts (peft src/peft/utils/other.py,
     * get_pattern_key).
     */
    private void pattern(String key, SortedSet<ModuleKey> modules, BiConsumer<ModuleKey, JsonNode> result) {
        JsonNode map = json.node().get(key);
        if (map == null || map.isNull()) {
            return;
        }
        if (!map.isObject()) {
            throw json.wrong(key, map, "an object from modules to numbers");
        }
        for (Map.Entry<String, JsonNode> entry : map.properties()) {
            if (!entry.getValue().isNumber()) {
                throw json.wrong(key, map, "numbers by module");
            }
            finite(key, entry.getValue().doubleValue());
            PathPattern pattern = PathPattern.compile(json, key, "(.*\\.)?(", entry.getKey(), ")");
            List<ModuleKey> fitting = modules.stream().filter(m -> pattern.fits(m.path())).toList();
            if (fitting.isEmpty()) {
                notes.add(json.where() + ": '" + entry.getKey() + "' of " + key + " fits no module of the adapter");
            }
            fitting.forEach(module -> result.accept(module, entry.getValue()));
        }
    }
}
