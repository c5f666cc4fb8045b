package io.sails4j.lora;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.config.ModelConfig;
import io.sails4j.config.ModuleKey;
import io.sails4j.config.Projection;
import io.sails4j.files.JsonObject;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.regex.Matcher;

/**
 * The modules that an adapter stands on, by target_modules, exclude_modules, layers_to_transform and layers_pattern
 * (huggingface/peft src/peft/tuners/tuners_utils.py, check_target_module_exists and _maybe_include_all_linear_layers).
 */
final class TargetModules {
    private static final String NAMES = "names of a block's projections (q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj)";

    private final JsonObject json;
    private final ModelConfig model;
    private final List<String> notes;
    private final Predicate<String> excluded;
    private final Set<Integer> layers;
    private final List<PathPattern> layerPatterns;

    private TargetModules(JsonObject json, ModelConfig model, List<String> notes) {
        this.json = json;
        this.model = model;
        this.notes = notes;
        this.excluded = excluded();
        this.layers = layers();
        this.layerPatterns = layerPatterns();
    }

    /** @param notes gets a sentence about what has no effect */
    static SortedSet<ModuleKey> read(JsonObject json, ModelConfig model, List<String> notes) {
        TargetModules targets = new TargetModules(json, model, notes);
        SortedSet<ModuleKey> modules = new TreeSet<>();
        Predicate<String> wanted = targets.wanted();
        for (int layer = 0; layer < model.nLayers(); layer++) {
            for (Projection projection : Projection.values()) {
                String path = projection.modulePath(layer);
                if (wanted.test(path) && !targets.excluded.test(path)) {
                    modules.add(new ModuleKey(layer, projection));
                }
            }
        }
        if (modules.isEmpty()) {
            throw json.wrong("target_modules", json.node().get("target_modules"), NAMES
                + "; together with exclude_modules and layers_to_transform, nothing is left");
        }
        return modules;
    }

    /** A list names modules by their path or its end, a string is a regular expression for the whole path, or all-linear. */
    private Predicate<String> wanted() {
        JsonNode value = json.node().get("target_modules");
        if (value != null && value.isTextual() && value.textValue().equalsIgnoreCase("all-linear")) {
            return this::inChosenLayer;
        }
        if (value != null && value.isTextual()) {
            PathPattern whole = PathPattern.compile(json, "target_modules", "", value.textValue(), "");
            if (json.has("layers_to_transform")) {
                throw json.wrong("layers_to_transform", json.node().get("layers_to_transform"),
                    "absent: where target_modules is a regular expression, it chooses the layers too");
            }
            return whole::fits;
        }
        if (value == null || !value.isArray() || value.isEmpty()) {
            throw json.wrong("target_modules", value == null || value.isNull() ? "absent" : value,
                "an array of module names, a regular expression or \"all-linear\"");
        }
        List<String> names = names("target_modules");
        requireEachToFit(names);
        // A whole path stands for itself in any layer; only ends of paths are narrowed to the chosen layers.
        return path -> names.contains(path) || endsWithOne(path, names) && inChosenLayer(path);
    }

    private void requireEachToFit(List<String> names) {
        for (int i = 0; i < names.size(); i++) {
            List<String> one = List.of(names.get(i));
            boolean fits = false;
            for (int layer = 0; layer < model.nLayers(); layer++) {
                for (Projection projection : Projection.values()) {
                    String path = projection.modulePath(layer);
                    fits |= one.contains(path) || endsWithOne(path, one);
                }
            }
            if (!fits) {
                throw json.wrong("target_modules", json.node().get("target_modules"), NAMES + "; entry " + (i + 1) + ", '" + names.get(i)
                    + "', is none of this model");
            }
        }
    }

    private Predicate<String> excluded() {
        JsonNode value = json.node().get("exclude_modules");
        if (value == null || value.isNull() || value.isTextual() && value.textValue().isEmpty()) {
            return path -> false;
        }
        if (value.isTextual()) {
            return PathPattern.compile(json, "exclude_modules", "", value.textValue(), "")::fits;
        }
        List<String> names = names("exclude_modules");
        return path -> names.contains(path) || endsWithOne(path, names);
    }

    /** The layers to which targets are narrowed; none means all of them. */
    private Set<Integer> layers() {
        Set<Integer> chosen = new TreeSet<>();
        JsonNode value = json.node().get("layers_to_transform");
        if (value == null || value.isNull()) {
            return chosen;
        }
        for (JsonNode layer : value.isArray() ? value : List.of(value)) {
            if (!layer.canConvertToInt() || !layer.isIntegralNumber() || layer.intValue() < 0 || layer.intValue() >= model.nLayers()) {
                throw json.wrong("layers_to_transform", value, "layers of the base model, 0 to " + (model.nLayers() - 1));
            }
            chosen.add(layer.intValue());
        }
        return chosen;
    }

    private List<PathPattern> layerPatterns() {
        JsonNode value = json.node().get("layers_pattern");
        List<String> names = value == null || value.isNull() || value.isTextual() && value.textValue().isEmpty() ? List.of()
            : value.isTextual() ? List.of(value.textValue()) : names("layers_pattern");
        if (!names.isEmpty() && layers.isEmpty()) {
            notes.add(json.where() + ": 'layers_pattern' has no effect, since layers_to_transform chooses no layers");
        }
        List<PathPattern> patterns = new ArrayList<>();
        for (String name : names) {
            // From the path's beginning too, as PEFT does since 0.21; in 0.20 such a pattern fits nothing.
            patterns.add(PathPattern.compile(json, "layers_pattern", "(?:^|.*?\\.)", name, "\\.(\\d+)\\."));
        }
        if (patterns.isEmpty()) {
            patterns.add(PathPattern.compile(json, "layers_pattern", ".*?\\.", "[^.]*", "\\.(\\d+)\\."));
        }
        return patterns;
    }

    private boolean inChosenLayer(String path) {
        if (layers.isEmpty()) {
            return true;
        }
        for (PathPattern pattern : layerPatterns) {
            Matcher found = pattern.at(path);
            if (found != null) {
                String number = found.group(found.groupCount());
                return number != null && layers.contains(Integer.valueOf(number));
            }
        }
        return false;
    }

    private List<String> names(String key) {
        List<String> names = new ArrayList<>();
        JsonNode value = json.node().get(key);
        if (!value.isArray()) {
            throw json.wrong(key, value, "an array of names or a regular expression");
        }
        for (JsonNode name : value) {
            if (!name.isTextual()) {
                throw json.wrong(key, value, "an array of names");
            }
            names.add(name.textValue());
        }
        return names;
    }

    private static boolean endsWithOne(String path, List<String> names) {
        return names.stream().anyMatch(name -> path.endsWith("." + name));
    }
}
