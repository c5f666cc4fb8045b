package io.sails4j.lora;

import io.sails4j.InputException;
import io.sails4j.config.ModuleKey;
import io.sails4j.model.LowRankAdapter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;

/**
 * An adapter directory and how much of it: what the adapter adds is multiplied by the weight, also below 0, which takes it away again.
 */
public record WeightedAdapter(Path directory, float weight) {
    public WeightedAdapter {
        if (!Float.isFinite(weight)) {
            throw new InputException("the weight of " + directory + " is " + weight + ", expected a finite number");
        }
    }

    /** Reads {@code DIR} or {@code DIR=WEIGHT}; a directory whose name has an equals sign is taken whole. */
    public static WeightedAdapter parse(String text) {
        int equals = text.lastIndexOf('=');
        if (equals < 0 || Files.isDirectory(Path.of(text))) {
            return new WeightedAdapter(Path.of(text), 1);
        }
        try {
            return new WeightedAdapter(Path.of(text.substring(0, equals)), Float.parseFloat(text.substring(equals + 1)));
        } catch (NumberFormatException e) {
            throw new InputException(
                "the adapter '" + text + "' has the weight '" + text.substring(equals + 1) + "', expected DIR or DIR=NUMBER", e);
        }
    }

    /** The adapter's modules with their scales times the weight; the factors stay the adapter's. */
    public Map<ModuleKey, LowRankAdapter> modules(LoraAdapter adapter) {
        if (adapter.config().dora()) {
            if (weight != 1) {
                throw new InputException(directory + " is a DoRA adapter, which scales whole maps: it has no weight, found " + weight);
            }
            return adapter.modules();
        }
        Map<ModuleKey, LowRankAdapter> weighted = new TreeMap<>();
        adapter.modules().forEach((module, f) -> weighted.put(module, new LowRankAdapter(f.loraA(), f.loraB(), f.scale() * weight)));
        return weighted;
    }
}
