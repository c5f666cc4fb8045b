package io.sails4j.study;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import io.sails4j.InputException;
import io.sails4j.align.AlignOptions;
import io.sails4j.align.Method;
import io.sails4j.attack.Attack;
import io.sails4j.attack.GcgOptions;
import io.sails4j.attack.PrefillOptions;
import io.sails4j.data.DataOptions;
import io.sails4j.eval.EvalOptions;
import io.sails4j.files.ForeignFile;
import io.sails4j.files.JsonFiles;
import io.sails4j.options.OptionReader;
import io.sails4j.options.Options;
import io.sails4j.subspace.SubspaceOptions;
import io.sails4j.train.Objective;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Reads a study's file; every key must be known. */
final class StudyReader {
    private static final Set<String> KEYS = Set.of("model", "sae", "data", "contrast", "right_answers", "prompts", "arms", "baseline",
        "objectives", "learning_rates", "pairs", "seeds", "trial_seeds", "align", "subspace", "eval", "limits", "primary", "attacks");
    /** What the grid sets, and no arm. */
    private static final Set<String> GRID = Set.of("lr", "seed");

    private final Path file;

    StudyReader(Path file) {
        this.file = file;
    }

    Study read() {
        JsonNode root = tree();
        requireKeys(root, file.toString(), KEYS);
        Path data = path(root, "data");
        StudyInputs inputs = new StudyInputs(path(root, "model"), saes(root.path("sae")), data,
            root.has("contrast") ? path(root, "contrast") : data, root.has("right_answers") ? path(root, "right_answers") : null);
        List<Long> seeds = list(root, "seeds", this::integer);
        StudyGrid grid = new StudyGrid(list(root, "objectives", this::objective), list(root, "learning_rates", this::number),
            list(root, "pairs", this::count), seeds, root.has("trial_seeds") ? list(root, "trial_seeds", this::integer)
                : seeds.subList(0, 1));
        return new Study(file, inputs, prompts(root.path("prompts"), root.path("attacks")), arms(root), grid,
            new StudyMeasure(text(root, "baseline"), options(EvalOptions.defaults(), root, "eval"),
                options(SubspaceOptions.defaults(), root, "subspace"), options(DataOptions.defaults(), root, "limits"),
                root.has("primary") ? primary(root.get("primary")) : null));
    }

    private StudyPrimary primary(JsonNode node) {
        requireKeys(node, file + ", 'primary'", Set.of("arm", "against", "measures", "half_width", "sd"));
        Function<JsonNode, @Nullable String> name = n -> n.isTextual() ? n.textValue() : null;
        String arm = text(node, "arm");
        List<String> against = list(node, "against", name);
        List<String> measures = list(node, "measures", name);
        double halfWidth = share(node, "half_width");
        double sd = share(node, "sd");
        try {
            return new StudyPrimary(arm, against, measures, halfWidth, sd);
        } catch (InputException e) {
            throw new InputException(file + ": " + e.getMessage(), e);
        }
    }

    private double share(JsonNode node, String key) {
        JsonNode value = needed(node, key);
        if (!value.isNumber()) {
            throw new InputException(file + ": '" + key + "' is " + value + ", expected a share such as 0.05");
        }
        return value.doubleValue();
    }

    private List<StudyAttack> attacks(JsonNode node) {
        List<StudyAttack> attacks = new ArrayList<>();
        node.properties().forEach(entry -> attacks.add(attack(entry.getKey(), entry.getValue())));
        return attacks;
    }

    private StudyAttack attack(String name, JsonNode node) {
        String where = file + ", attack '" + name + "'";
        if (!node.isObject()) {
            throw new InputException(where + " is " + node + ", expected its options, with 'prompts' among them");
        }
        ObjectNode options = ((ObjectNode) node).deepCopy();
        Path prompts = path(options, "prompts");
        JsonNode limit = options.path("limit");
        JsonNode seeds = options.path("seeds");
        options.remove(List.of("prompts", "limit", "seeds"));
        Attack attack = switch (name) {
            case "gcg" -> new Attack.Gcg(Options.with(GcgOptions.defaults(), new OptionReader(GcgOptions.defaults(), where).read(options)));
            case "prefill" -> new Attack.Prefill(
                Options.with(PrefillOptions.defaults(), new OptionReader(PrefillOptions.defaults(), where).read(options)));
            default -> throw new InputException(file + " has the attack '" + name + "', expected gcg or prefill");
        };
        return new StudyAttack(name, prompts, whole(where, "limit", limit), whole(where, "seeds", seeds), attack);
    }

    private int whole(String where, String key, JsonNode node) {
        Integer value = node.isMissingNode() ? Integer.valueOf(0) : count(node);
        if (value == null) {
            throw new InputException(where + " has '" + key + "' " + node + ", expected a whole number");
        }
        return value;
    }

    private JsonNode tree() {
        ForeignFile.requireRegular(file);
        ForeignFile.requireOwn(file);
        try {
            ObjectMapper yaml = new ObjectMapper(YAMLFactory.builder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build());
            JsonNode root = yaml.readTree(JsonFiles.withoutMark(Files.readString(file)));
            if (!root.isObject()) {
                throw new InputException(file + " is no study: it has no keys, expected " + keys(KEYS));
            }
            return root;
        } catch (JsonProcessingException e) {
            throw new InputException(file + " is not valid YAML: " + JsonFiles.reasonAndPlace(e), e);
        } catch (IOException e) {
            throw new InputException("cannot read " + file + ": " + e, e);
        }
    }

    private static void requireKeys(JsonNode node, String where, Set<String> known) {
        node.fieldNames().forEachRemaining(key -> {
            if (!known.contains(key)) {
                throw new InputException(where + " has the key '" + key + "', expected " + keys(known));
            }
        });
    }

    private static String keys(Set<String> known) {
        return "some of " + String.join(", ", new TreeSet<>(known));
    }

    private JsonNode needed(JsonNode node, String key) {
        JsonNode value = node.get(key);
        if (value == null || value.isNull()) {
            throw new InputException(file + " has no key '" + key + "'");
        }
        return value;
    }

    private String text(JsonNode node, String key) {
        JsonNode value = needed(node, key);
        if (!value.isTextual() || value.textValue().isBlank()) {
            throw new InputException(file + ": '" + key + "' is " + value + ", expected a text");
        }
        return value.textValue();
    }

    private Path path(JsonNode node, String key) {
        Path path = Objects.requireNonNullElse(file.toAbsolutePath().getParent(), Path.of("")).resolve(text(node, key)).normalize();
        if (Files.notExists(path)) {
            throw new InputException(file + ": '" + key + "' is " + path + ", which is not there");
        }
        return path;
    }

    private SortedMap<Integer, Path> saes(JsonNode node) {
        SortedMap<Integer, Path> saes = new TreeMap<>();
        node.fieldNames().forEachRemaining(layer -> {
            if (!layer.matches("\\d{1,4}")) {
                throw new InputException(file + ": 'sae' has the layer '" + layer + "', expected layers with a path each");
            }
            saes.put(Integer.valueOf(layer), path(node, layer));
        });
        return saes;
    }

    private StudyPrompts prompts(JsonNode node, JsonNode attacks) {
        requireKeys(node, file + ", 'prompts'", Set.of("train", "validation", "test"));
        LinkedHashMap<String, Path> tests = new LinkedHashMap<>();
        JsonNode test = needed(node, "test");
        test.fieldNames().forEachRemaining(name -> tests.put(name, path(test, name)));
        if (tests.isEmpty()) {
            throw new InputException(file + " has no test prompts, expected 'prompts: test: NAME: FILE'");
        }
        return new StudyPrompts(node.has("train") ? path(node, "train") : null, path(node, "validation"), tests, attacks(attacks));
    }

    private List<StudyArm> arms(JsonNode root) {
        JsonNode common = root.has("align") ? root.get("align") : JsonFiles.parse("{}", "no options");
        List<StudyArm> arms = new ArrayList<>();
        needed(root, "arms").properties().forEach(arm -> arms.add(arm(arm.getKey(), arm.getValue(), common)));
        if (arms.isEmpty()) {
            throw new InputException(file + " has no arms, expected 'arms: NAME: {method: …}'");
        }
        return arms;
    }

    private StudyArm arm(String name, JsonNode own, JsonNode common) {
        String where = file + ", arm '" + name + "'";
        if (!own.isObject()) {
            throw new InputException(where + " is " + own + ", expected its options, {} for none");
        }
        Map<String, JsonNode> merged = new LinkedHashMap<>();
        common.properties().forEach(entry -> merged.put(entry.getKey(), entry.getValue()));
        own.properties().forEach(entry -> merged.put(entry.getKey(), entry.getValue()));
        JsonNode subspace = merged.remove("subspace");
        JsonNode objective = merged.remove("objective");
        GRID.stream().filter(merged::containsKey).findFirst().ifPresent(key -> {
            throw new InputException(where + " sets '" + key + "', which is the study's to vary: use objectives, learning_rates, seeds");
        });
        Map<String, Object> values = new OptionReader(AlignOptions.defaults(), where).read(new ObjectMapper().valueToTree(merged));
        ArmSubspace usual = values.getOrDefault("method", Method.SAILS) == Method.SAILS ? ArmSubspace.SAE : ArmSubspace.NONE;
        try {
            StudyArm arm = new StudyArm(name, subspace == null ? usual : subspace(where, subspace.asText()),
                objective == null ? null : ownObjective(where, objective), values);
            arm.requireUsed(own.properties().stream().map(Map.Entry::getKey).collect(Collectors.toSet()));
            return arm;
        } catch (InputException e) {
            throw new InputException(where + ": " + e.getMessage(), e);
        }
    }

    private Objective ownObjective(String where, JsonNode node) {
        Objective objective = objective(node);
        if (objective == null) {
            throw new InputException(where + " has the objective " + node + ", expected "
                + String.join(", ", Arrays.stream(Objective.values()).map(Options::label).toList()));
        }
        return objective;
    }

    private static ArmSubspace subspace(String where, String label) {
        return Arrays.stream(ArmSubspace.values()).filter(s -> Options.label(s).equals(label)).findFirst()
            .orElseThrow(() -> new InputException(where + " has the subspace '" + label + "', expected sae, direct or random"));
    }

    private <R extends Record> R options(R defaults, JsonNode root, String key) {
        return root.has(key) ? Options.with(defaults, new OptionReader(defaults, file + ", '" + key + "'").read(root.get(key))) : defaults;
    }

    private <T> List<T> list(JsonNode root, String key, Function<JsonNode, @Nullable T> read) {
        JsonNode node = needed(root, key);
        if (!node.isArray()) {
            throw new InputException(file + ": '" + key + "' is " + node + ", expected a list");
        }
        List<T> items = new ArrayList<>();
        for (JsonNode element : node) {
            T item = read.apply(element);
            if (item == null) {
                throw new InputException(file + ": '" + key + "' has " + element + ", expected " + (key.equals("objectives")
                    ? String.join(", ", Arrays.stream(Objective.values()).map(Options::label).toList())
                    : key.equals("learning_rates") ? "numbers"
                        : key.equals("against") || key.equals("measures") ? "names" : "whole numbers"));
            }
            items.add(item);
        }
        return items;
    }

    private @Nullable Objective objective(JsonNode node) {
        return Arrays.stream(Objective.values()).filter(o -> Options.label(o).equals(node.asText())).findFirst().orElse(null);
    }

    private @Nullable Double number(JsonNode node) {
        return node.isNumber() ? node.doubleValue() : null;
    }

    private @Nullable Long integer(JsonNode node) {
        return node.canConvertToExactIntegral() && node.canConvertToLong() ? node.longValue() : null;
    }

    private @Nullable Integer count(JsonNode node) {
        return node.canConvertToExactIntegral() && node.canConvertToInt() ? node.intValue() : null;
    }
}
