package io.sails4j.monitor;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.files.AtomicFiles;
import io.sails4j.files.JsonFiles;
import io.sails4j.files.JsonObject;
import io.sails4j.steer.Feature;
import io.sails4j.steer.FeatureChange;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * A monitor as a JSON file: {@code format}, {@code saes} by layer ({@code path}, {@code d_sae}, {@code sha256}), {@code rules}
 * ({@code name}, {@code layer}, {@code features} of {@code id} and {@code weight}, {@code part}, {@code side}, {@code on}, {@code off},
 * {@code window}, {@code action}), and, where it was calibrated, {@code calibration}. Numbers are written so that they are read back the
 * same.
 */
public final class MonitorFile {
    /** What the file says that it is. */
    static final String FORMAT = "sails4j.monitor.1";

    /** What the file is called in a directory. */
    public static final String NAME = "monitor.json";

    private MonitorFile() {
    }

    /**
     * Reads a monitor.
     *
     * @param place a file, or a directory with {@link #NAME}
     * @throws InputException where the file is none, with the place of the fault
     */
    public static MonitorSpec read(Path place) {
        Path path = Files.isDirectory(place) ? place.resolve(NAME) : place;
        JsonObject root = JsonFiles.readObject(path);
        if (!root.optionalString("format").orElse("").equals(FORMAT)) {
            throw new InputException(path + " is no monitor: its format is "
                + root.optionalString("format").map(format -> "'" + format + "'").orElse("not said") + ", expected '" + FORMAT + "'");
        }
        SortedMap<Integer, SaeMark> saes = new TreeMap<>();
        JsonObject given = root.optionalObject("saes").orElseThrow(() -> new InputException(path + " lacks the key 'saes'"));
        for (Map.Entry<String, JsonNode> sae : given.node().properties()) {
            if (!sae.getKey().matches("\\d{1,6}")) {
                throw given.wrong(sae.getKey(), "a key", "the number of a layer");
            }
            JsonObject mark = object(given.where() + ": " + sae.getKey(), sae.getValue());
            saes.put(Integer.valueOf(sae.getKey()),
                new SaeMark(mark.requiredString("path"), mark.requiredPositive("d_sae"), mark.requiredString("sha256")));
        }
        List<Rule> rules = new ArrayList<>();
        int number = 0;
        for (JsonNode rule : root.optionalArray("rules").orElseThrow(() -> new InputException(path + " lacks the key 'rules'"))) {
            JsonObject at = object(path + ": rule " + number++, rule);
            try {
                rules.add(rule(at));
            } catch (InputException e) {
                String sentence = String.valueOf(e.getMessage());
                throw sentence.startsWith(path.toString()) ? e : new InputException(at.where() + ": " + sentence, e);
            }
        }
        try {
            return new MonitorSpec(rules, saes);
        } catch (InputException e) {
            throw new InputException(path + ": " + e.getMessage(), e);
        }
    }

    private static JsonObject object(String where, JsonNode node) {
        if (!node.isObject()) {
            throw new InputException(where + " is " + node.getNodeType().toString().toLowerCase(Locale.ROOT) + ", expected an object");
        }
        return new JsonObject(where, node);
    }

    private static Rule rule(JsonObject json) {
        List<Signal.Term> terms = new ArrayList<>();
        int number = 0;
        for (JsonNode feature : json.optionalArray("features").orElseThrow(() -> json.wrong("features", "missing", "an array"))) {
            JsonObject term = object(json.where() + ": feature " + number++, feature);
            terms.add(new Signal.Term(number(term, "id"), term.requiredDouble("weight")));
        }
        Trigger trigger = new Trigger(choice(json, "side", Trigger.Side.values()), json.requiredDouble("on"), json.requiredDouble("off"),
            number(json, "window"));
        return new Rule(json.requiredString("name"), new Signal(number(json, "layer"), terms), choice(json, "part", Part.values()), trigger,
            action(json));
    }

    private static Action action(JsonObject json) {
        JsonObject action = json.optionalObject("action").orElseThrow(() -> json.wrong("action", "missing", "an object with 'do'"));
        String name = action.requiredString("do");
        return switch (name) {
            case "log" -> new Action.Note();
            case "alarm" -> new Action.Alarm();
            case "stop" -> new Action.Stop();
            case "switch" -> new Action.SwitchTo(action.requiredString("to"));
            case "steer" -> {
                List<FeatureChange.Steered> changes = new ArrayList<>();
                for (JsonNode node : action.optionalArray("features").orElseThrow(() -> action.wrong("features", "missing", "an array"))) {
                    JsonObject change = object(action.where() + ": features", node);
                    changes.add(new FeatureChange.Steered(new Feature(number(change, "layer"), number(change, "id")),
                        (float) change.requiredDouble("by")));
                }
                yield new Action.Steer(changes);
            }
            default -> throw action.wrong("do", "'" + name + "'", "log, alarm, stop, steer or switch");
        };
    }

    private static int number(JsonObject json, String key) {
        long value = json.requiredLong(key);
        if (value < 0 || value > Integer.MAX_VALUE) {
            throw json.wrong(key, value, "0 to 2147483647");
        }
        return (int) value;
    }

    private static <E extends Enum<E>> E choice(JsonObject json, String key, E[] values) {
        String text = json.requiredString(key);
        return Arrays.stream(values).filter(value -> value.name().toLowerCase(Locale.ROOT).equals(text)).findFirst()
            .orElseThrow(() -> json.wrong(key, "'" + text + "'",
                Arrays.stream(values).map(value -> value.name().toLowerCase(Locale.ROOT)).collect(Collectors.joining(", "))));
    }

    /**
     * Writes a monitor; the file appears whole or not at all.
     *
     * @param quality of its rules, as far as it was measured
     */
    public static void write(Path path, MonitorSpec spec, List<RuleQuality> quality) {
        ObjectNode root = json(spec);
        if (!quality.isEmpty()) {
            ArrayNode calibration = root.putArray("calibration");
            quality.forEach(one -> calibration.add(one.json()));
        }
        AtomicFiles.writeJson(path, root);
    }

    /** A monitor as its file holds it, without a calibration. */
    public static ObjectNode json(MonitorSpec spec) {
        ObjectNode root = JsonNodeFactory.instance.objectNode().put("format", FORMAT);
        ObjectNode saes = root.putObject("saes");
        spec.saes().forEach((layer, mark) -> saes.putObject(layer.toString()).put("path", mark.path()).put("d_sae", mark.dSae())
            .put("sha256", mark.sha256()));
        ArrayNode rules = root.putArray("rules");
        spec.rules().forEach(rule -> rules.add(json(rule)));
        return root;
    }

    private static ObjectNode json(Rule rule) {
        ObjectNode json = JsonNodeFactory.instance.objectNode().put("name", rule.name()).put("layer", rule.signal().layer());
        json.put("part", rule.part().name().toLowerCase(Locale.ROOT)).put("side", rule.trigger().side().name().toLowerCase(Locale.ROOT))
            .put("on", rule.trigger().on()).put("off", rule.trigger().off()).put("window", rule.trigger().window());
        ObjectNode action = json.putObject("action").put("do", rule.action().name());
        switch (rule.action()) {
            case Action.SwitchTo to -> action.put("to", to.model());
            case Action.Steer steer -> {
                ArrayNode features = action.putArray("features");
                steer.changes().forEach(change -> features.addObject().put("layer", change.feature().layer())
                    .put("id", change.feature().index()).put("by", change.by()));
            }
            case Action.Note _,Action.Alarm _,Action.Stop _ -> {
                // Their name says it all.
            }
        }
        ArrayNode features = json.putArray("features");
        rule.signal().terms().forEach(term -> features.addObject().put("id", term.feature()).put("weight", term.weight()));
        return json;
    }
}
