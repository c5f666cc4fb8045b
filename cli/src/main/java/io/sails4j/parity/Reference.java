package io.sails4j.parity;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.InputException;
import io.sails4j.files.JsonFiles;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A directory of golden data: what its manifest lists, and the numbers there. */
public final class Reference {
    private final Path root;
    private final JsonNode manifest;

    private Reference(Path root) {
        this.root = root;
        this.manifest = JsonFiles.read(root.resolve("manifest.json"));
    }

    /** @throws InputException where the directory has no manifest */
    public static Reference open(Path root) {
        if (!isAt(root)) {
            throw new InputException(root + " has no manifest.json; expected the directory of the reference data");
        }
        return new Reference(root);
    }

    /** Whether there is reference data in the directory. */
    public static boolean isAt(Path root) {
        return Files.exists(root.resolve("manifest.json"));
    }

    Path path(String relative) {
        return root.resolve(relative);
    }

    /** Names of the models. */
    List<String> models() {
        List<String> names = new ArrayList<>();
        manifest.get("models").fieldNames().forEachRemaining(names::add);
        return names;
    }

    /** Names of the models that are compared in this arithmetic: all in F32, those with such a checkpoint in BF16. */
    List<String> models(DType dtype) {
        return models().stream().filter(name -> dtype == DType.F32 || model(name).get("torch_dtype").asText().equals("bfloat16")).toList();
    }

    JsonNode model(String name) {
        return manifest.get("models").get(name);
    }

    /**
     * Where a model's files are.
     *
     * @param expected folder of what is expected of it, from the root
     */
    record ModelFiles(Path weights, Path adapter, String expected) {
    }

    ModelFiles modelFiles(String name) {
        JsonNode entry = model(name);
        return new ModelFiles(path(entry.get("weights").asText()), path(entry.get("adapter").asText()), entry.get("expected").asText());
    }

    /** A file's entry in the manifest. */
    JsonNode file(String relative) {
        return manifest.get("files").get(relative);
    }

    boolean has(String relative) {
        return manifest.get("files").has(relative) && Files.exists(path(relative));
    }

    /** Paths of the manifest's entries that begin with a prefix. */
    List<String> filesUnder(String prefix) {
        List<String> names = new ArrayList<>();
        manifest.get("files").fieldNames().forEachRemaining(name -> {
            if (name.startsWith(prefix)) {
                names.add(name);
            }
        });
        return names;
    }

    /** The stated limit beside PyTorch's error in float32 on this tensor. */
    Budget budget(String relative, String tensor, double stated) {
        return new Budget(stated, file(relative).path("tensors").path(tensor).path("float32_rel_error").asDouble(0));
    }

    /** The same of the tensor's change since the start of the training. */
    Budget budgetOfChange(String relative, String tensor, double stated) {
        return new Budget(stated, file(relative).path("tensors").path(tensor).path("float32_rel_error_of_change").asDouble(0));
    }

    /** All tensors of a stored file, copied to the heap. */
    Map<String, HostTensor> load(String relative) {
        Map<String, HostTensor> tensors = new LinkedHashMap<>();
        try (SafetensorsFile file = SafetensorsFile.open(path(relative))) {
            for (String name : file.names()) {
                HostTensor t = file.tensor(name);
                byte[] bytes = t.data().toArray(ValueLayout.JAVA_BYTE);
                tensors.put(name, new HostTensor(t.dtype(), t.shape(), MemorySegment.ofArray(bytes)));
            }
        }
        return tensors;
    }

    /** One of the tensors that {@link #load} gave. */
    static HostTensor tensor(Map<String, HostTensor> stored, String name) {
        HostTensor tensor = stored.get(name);
        if (tensor == null) {
            throw new InputException("the reference data has no tensor '" + name + "', expected one beside " + stored.keySet());
        }
        return tensor;
    }
}
