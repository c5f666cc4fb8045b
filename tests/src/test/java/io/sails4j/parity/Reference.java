package io.sails4j.parity;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.io.JsonFiles;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.tensor.HostTensor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The golden data under {@code -Dsails.reference}: what its manifest lists, and the numbers there. */
final class Reference {
    private final Path root;
    private final JsonNode manifest;

    private Reference(Path root) {
        this.root = root;
        this.manifest = JsonFiles.read(root.resolve("manifest.json"));
    }

    /** The reference, or a skipped test that says so aloud. */
    static Reference openOrSkip() {
        Path root = Path.of(System.getProperty("sails.reference", "../shared/reference"));
        boolean present = Files.exists(root.resolve("manifest.json"));
        if (!present) {
            System.out.println("SKIPPED: no reference data at " + root + "; name it with -Dsails.reference=DIR");
        }
        assumeTrue(present, "no reference data at " + root);
        return new Reference(root);
    }

    /** The backends of {@code -Dsails.parity.backends}; one that is asked for and missing fails. */
    static List<String> backends() {
        return List.of(System.getProperty("sails.parity.backends", "cpu,emulator").split(","));
    }

    Path path(String relative) {
        return root.resolve(relative);
    }

    JsonNode manifest() {
        return manifest;
    }

    /** Names of the models. */
    List<String> models() {
        List<String> names = new ArrayList<>();
        manifest.get("models").fieldNames().forEachRemaining(names::add);
        return names;
    }

    JsonNode model(String name) {
        return manifest.get("models").get(name);
    }

    /** A file's entry in the manifest, or null. */
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

    /** How far a float32 PyTorch run was from the stored tensor, 0 if not recorded. */
    double floatError(String relative, String tensor) {
        JsonNode entry = file(relative).path("tensors").path(tensor);
        return entry.path("float32_rel_error").asDouble(0);
    }

    /** All tensors of a stored file, copied to the heap. */
    Map<String, HostTensor> load(String relative) {
        Map<String, HostTensor> tensors = new LinkedHashMap<>();
        try (SafetensorsFile file = SafetensorsFile.open(path(relative))) {
            for (String name : file.names()) {
                HostTensor t = file.tensor(name);
                byte[] bytes = t.data().toArray(java.lang.foreign.ValueLayout.JAVA_BYTE);
                tensors.put(name, new HostTensor(t.dtype(), t.shape(), java.lang.foreign.MemorySegment.ofArray(bytes)));
            }
        }
        return tensors;
    }
}
