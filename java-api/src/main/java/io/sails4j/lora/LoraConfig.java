package io.sails4j.lora;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.config.ModuleKey;
import io.sails4j.config.Projection;
import java.util.Collections;
import java.util.Map;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * What an adapter is: its modules, ranks and scales.
 *
 * @param r the rank of modules that {@code rankPattern} does not name
 * @param alpha lora_alpha of modules that {@code alphaPattern} does not name; the adapter's output is scaled by alpha / r
 * @param rsLora scale by alpha / sqrt(r) instead (arXiv:2312.03732)
 * @param dora with trained lengths of the adapted rows (arXiv:2402.09353)
 * @param modules every linear map that has an adapter
 * @param baseModel name or path of the base model, for information
 */
public record LoraConfig(int r, double alpha, boolean rsLora, boolean dora, SortedSet<ModuleKey> modules,
    Map<ModuleKey, Integer> rankPattern,
    Map<ModuleKey, Double> alphaPattern, String baseModel) {
    public LoraConfig {
        if (r < 1) {
            throw new InputException("the LoRA rank is " + r + ", expected 1 or more");
        }
        modules = Collections.unmodifiableSortedSet(new TreeSet<>(modules));
        rankPattern = Map.copyOf(rankPattern);
        alphaPattern = Map.copyOf(alphaPattern);
    }

    /** The same rank on the targets of every layer. */
    public static LoraConfig uniform(ModelConfig model, Set<Projection> targets, int r, double alpha, String baseModel) {
        SortedSet<ModuleKey> modules = new TreeSet<>();
        for (int layer = 0; layer < model.nLayers(); layer++) {
            for (Projection target : targets) {
                modules.add(new ModuleKey(layer, target));
            }
        }
        return new LoraConfig(r, alpha, false, false, modules, Map.of(), Map.of(), baseModel);
    }

    /** The same with or without DoRA. */
    public LoraConfig withDora(boolean on) {
        return new LoraConfig(r, alpha, rsLora, on, modules, rankPattern, alphaPattern, baseModel);
    }

    /**
     * The same modules with ranks and alphas by pattern: keys are ends of module paths or regular expressions, of which the first that
     * fits counts.
     *
     * @throws InputException where a key is no regular expression or fits no module
     */
    public LoraConfig withPatterns(boolean rsLoraScale, Map<String, Integer> ranks, Map<String, Double> alphas) {
        return new LoraConfig(r, alpha, rsLoraScale, dora, modules, byModule("rank_pattern", ranks), byModule("alpha_pattern", alphas),
            baseModel);
    }

    private <T> Map<ModuleKey, T> byModule(String what, Map<String, T> patterns) {
        Map<ModuleKey, T> found = new TreeMap<>();
        patterns.forEach((key, value) -> {
            Pattern pattern;
            try {
                pattern = Pattern.compile("(.*\\.)?(" + key + ")");
            } catch (PatternSyntaxException e) {
                throw new InputException(what + " has '" + key + "', which is not a regular expression: " + e.getDescription(), e);
            }
            if (modules.stream().noneMatch(m -> pattern.matcher(m.path()).matches())) {
                throw new InputException(what + " has '" + key + "', which fits no module with an adapter; expected ends of paths such as "
                    + modules.first().path());
            }
            modules.stream().filter(m -> pattern.matcher(m.path()).matches()).forEach(m -> found.putIfAbsent(m, value));
        });
        return found;
    }

    /** A module's rank. */
    public int rank(ModuleKey module) {
        return rankPattern.getOrDefault(module, r);
    }

    /** The rank of each module. */
    public Map<ModuleKey, Integer> ranks() {
        Map<ModuleKey, Integer> ranks = new TreeMap<>();
        modules.forEach(module -> ranks.put(module, rank(module)));
        return ranks;
    }

    /** A module's {@code lora_alpha}. */
    public double alpha(ModuleKey module) {
        return alphaPattern.getOrDefault(module, alpha);
    }

    /** The factor on the adapter's output. */
    public float scale(ModuleKey module) {
        double a = alphaPattern.getOrDefault(module, alpha);
        return (float) (rsLora ? a / Math.sqrt(rank(module)) : a / rank(module));
    }

    /** {@code adapter_config.json} with the keys that PEFT needs to load it. */
    ObjectNode toJson() {
        ObjectNode json = new ObjectMapper().createObjectNode();
        ObjectNode alphas = json.putObject("alpha_pattern");
        new TreeMap<>(alphaPattern).forEach((module, a) -> alphas.put(module.path(), a));
        json.put("base_model_name_or_path", baseModel).put("bias", "none").put("fan_in_fan_out", false).put("inference_mode", true);
        json.put("init_lora_weights", true);
        Set<Integer> layers = new TreeSet<>();
        Set<Projection> targets = new TreeSet<>();
        modules.forEach(module -> {
            layers.add(module.layer());
            targets.add(module.projection());
        });
        boolean sameInEachLayer = modules.size() == layers.size() * targets.size();
        if (sameInEachLayer) {
            layers.forEach(json.putArray("layers_to_transform")::add);
            json.put("layers_pattern", "layers");
        } else {
            json.putNull("layers_to_transform").putNull("layers_pattern");
        }
        json.put("lora_alpha", alpha).put("lora_bias", false).put("lora_dropout", 0.0).putNull("modules_to_save");
        json.put("peft_type", "LORA").put("r", r);
        ObjectNode ranks = json.putObject("rank_pattern");
        new TreeMap<>(rankPattern).forEach((module, rank) -> ranks.put(module.path(), rank));
        ArrayNode names = json.putArray("target_modules");
        if (sameInEachLayer) {
            targets.forEach(target -> names.add(target.peftName()));
        } else {
            modules.forEach(module -> names.add(module.path()));
        }
        json.put("task_type", "CAUSAL_LM").put("use_dora", dora).put("use_rslora", rsLora);
        return json;
    }
}
