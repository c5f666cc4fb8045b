package io.sails4j.lora;

import io.sails4j.InputException;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.tensor.HostTensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The tensors of an adapter file by the names that PEFT's save_pretrained gives them, whatever the file calls them: a state dict that was
 * saved as it is in memory has the adapter's name inside ({@code lora_A.default.weight}; huggingface/peft
 * src/peft/utils/save_and_load.py strips it), and an adapter of a model that AutoModel loaded has no {@code model.} before
 * {@code layers.}, since the base model stood alone there.
 */
final class AdapterNames {
    static final String PREFIX = "base_model.model.";
    private static final Pattern FACTOR = Pattern.compile("base_model\\.model\\.(model\\.)?(layers\\.[0-9]+\\.[A-Za-z0-9_.]+?)\\."
        + "(lora_A|lora_B|lora_magnitude_vector|lora_velora_embed)(?:\\.(?!weight$)([^.]+))?(\\.weight)?");

    private final SafetensorsFile file;
    private final Map<String, String> inFile = new LinkedHashMap<>();
    private final List<String> notes = new ArrayList<>();

    AdapterNames(SafetensorsFile file) {
        this.file = file;
        Set<String> adapters = new TreeSet<>();
        boolean bare = false;
        for (String name : file.names()) {
            Matcher factor = FACTOR.matcher(name);
            boolean known = factor.matches();
            String saved = known ? saved(factor) : name;
            if (known) {
                adapters.add(factor.group(4) == null ? "" : factor.group(4));
                bare |= factor.group(1) == null;
            }
            String other = inFile.put(saved, name);
            if (other != null) {
                throw new InputException(file.path() + " has two tensors for one factor, '" + other + "' and '" + name
                    + "'; save one adapter in each directory (in PEFT: save_pretrained(..., selected_adapters=[NAME]))");
            }
        }
        if (adapters.size() > 1) {
            throw new InputException(file.path() + " has the factors of several adapters, with the names '" + String.join("', '", adapters)
                + "' inside; save one adapter in each directory (in PEFT: save_pretrained(..., selected_adapters=[NAME]))");
        }
        if (bare) {
            notes.add(
                file.path() + ": the names are those of a base model that AutoModel loaded, without 'model.' before 'layers.'; they are"
                    + " read as those of the language model");
        }
    }

    private static String saved(Matcher factor) {
        String kind = factor.group(3);
        boolean weight = (kind.equals("lora_A") || kind.equals("lora_B")) && factor.group(5) != null;
        return PREFIX + "model." + factor.group(2) + "." + kind + (weight ? ".weight" : "");
    }

    Path path() {
        return file.path();
    }

    /** Names as PEFT saves them. */
    Set<String> names() {
        return inFile.keySet();
    }

    boolean contains(String name) {
        return inFile.containsKey(name);
    }

    /** The tensor, in the file under whatever name. */
    HostTensor tensor(String name) {
        return file.tensor(inFile.getOrDefault(name, name));
    }

    /** What a person should know about the names. */
    List<String> notes() {
        return notes;
    }
}
