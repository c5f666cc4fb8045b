package io.sails4j.sae;

import io.sails4j.InputException;
import io.sails4j.files.ForeignFile;
import io.sails4j.files.JsonFiles;
import io.sails4j.files.JsonObject;
import io.sails4j.io.NpzFile;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.io.ShardedTensors;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Shape;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;

/** An SAE's configuration and arrays as they lie in its files, checked against one another. */
final class SaeFiles implements AutoCloseable {
    private static final String PARAMS = "params.npz";
    private static final String CONFIG = "cfg.json";
    private static final String WEIGHTS = "sae_weights.safetensors";
    private static final String SPARSIFY_WEIGHTS = "sae.safetensors";
    private static final String HYPERPARAMS = "hyperparams.json";
    private static final List<String> LLAMA_SCOPE_WEIGHTS = List.of("checkpoints/final.safetensors", "final.safetensors");

    private final Path path;
    private final SaeConfig config;
    private final SaeHook hook;
    private final Map<String, HostTensor> arrays;
    private final AutoCloseable file;

    private SaeFiles(Path path, SaeConfig config, SaeHook hook, Map<String, HostTensor> arrays, AutoCloseable file) {
        this.path = path;
        this.config = config;
        this.hook = hook;
        this.arrays = arrays;
        this.file = file;
    }

    /** Opens a Gemma Scope {@code params.npz} or the directory of one, a SAELens, sparsify or Llama Scope directory. */
    static SaeFiles open(Path path) {
        String name = path.getFileName() == null ? "" : path.getFileName().toString();
        if (Files.isRegularFile(path) && name.endsWith(".npz")) {
            return openNpz(path);
        }
        if (ShardedTensors.isPickle(name)) {
            throw pickleRefused(path);
        }
        ForeignFile.requireOwn(path);
        if (!Files.isDirectory(path)) {
            throw new InputException(path + (Files.exists(path) ? " is no SAE" : " does not exist") + "; expected " + PARAMS
                + " of Gemma Scope or a directory: " + CONFIG + " and " + WEIGHTS + " of SAELens, " + CONFIG + " and " + SPARSIFY_WEIGHTS
                + " of sparsify, " + HYPERPARAMS + " of Llama Scope");
        }
        if (Files.exists(path.resolve(PARAMS))) {
            return openNpz(path.resolve(PARAMS));
        }
        if (Files.exists(path.resolve(CONFIG))) {
            return openConfigured(path);
        }
        if (Files.exists(path.resolve(HYPERPARAMS))) {
            return openLlamaScope(path);
        }
        throw nothingIn(path);
    }

    /** SAELens and sparsify call their configuration the same; their weights tell them apart. */
    private static SaeFiles openConfigured(Path directory) {
        boolean saeLens = Files.exists(directory.resolve(WEIGHTS));
        boolean sparsify = Files.exists(directory.resolve(SPARSIFY_WEIGHTS));
        if (saeLens == sparsify) {
            throw new InputException(directory + " has " + CONFIG + (saeLens ? " and both " : " but neither ") + WEIGHTS + " of SAELens "
                + (saeLens ? "and " : "nor ") + SPARSIFY_WEIGHTS + " of sparsify"
                + (saeLens ? "; keep the one that the configuration belongs to" : pickleBeside(directory)));
        }
        return saeLens ? openSaeLens(directory) : openSparsify(directory);
    }

    private static String pickleBeside(Path directory) {
        return SaeDirectories.pickleIn(directory).map(file -> "; " + pickleRefused(file).getMessage()).orElse("");
    }

    private static InputException nothingIn(Path directory) {
        List<String> choices = SaeDirectories.below(directory, Set.of(PARAMS, CONFIG, HYPERPARAMS));
        if (!choices.isEmpty()) {
            return new InputException(directory + (choices.size() == 1 ? " is no SAE itself but holds one, name it: "
                : " holds several SAEs, name one of them: ") + SaeDirectories.enumerate(choices));
        }
        return SaeDirectories.pickleIn(directory).map(SaeFiles::pickleRefused)
            .orElseGet(() -> new InputException(directory + " has neither " + PARAMS + " (Gemma Scope) nor " + CONFIG
                + " (SAELens, sparsify) nor " + HYPERPARAMS + " (Llama Scope)"));
    }

    /** ae.pt is what dictionary_learning writes (saprmarks/dictionary_learning dictionary.py, AutoEncoder). */
    private static InputException pickleRefused(Path file) {
        boolean dictionary = file.endsWith("ae.pt");
        return new InputException(file + " is a Python pickle, which can run any code when it is read, and is refused; save the SAE as "
            + "safetensors (SAELens: sae.save_model" + (dictionary ? "; an AutoEncoder of dictionary_learning: torch.load(..., "
                + "weights_only=True), then safetensors.torch.save_file of W_enc = encoder.weight.T, b_enc = encoder.bias, W_dec = "
                + "decoder.weight.T, b_dec = bias as " + WEIGHTS + ", and a " + CONFIG + " of SAELens with d_in, d_sae and hook_name" : "")
            + ")");
    }

    private static SaeFiles openNpz(Path path) {
        NpzFile npz = NpzFile.open(path);
        try {
            Map<String, HostTensor> arrays = new TreeMap<>();
            for (String name : npz.names()) {
                arrays.put(name, npz.array(name));
            }
            if (!arrays.containsKey("W_enc")) {
                throw new InputException(
                    path + " lacks the array 'W_enc' of a Gemma Scope SAE; it has " + String.join(", ", arrays.keySet()));
            }
            Shape shape = requireMatrix(path, arrays.get("W_enc"), "W_enc");
            SaeConfig config = new SaeConfig(SaeConfig.Architecture.JUMPRELU, shape.dim(0), shape.dim(1), false, false, 0, false);
            return checked(new SaeFiles(path, config, GemmaScopePath.read(path), arrays, npz));
        } catch (RuntimeException e) {
            npz.close();
            throw e;
        }
    }

    private static SaeFiles openSaeLens(Path directory) {
        JsonObject json = JsonFiles.readObject(directory.resolve(CONFIG));
        SaeConfig config = SaeLensConfigReader.read(json);
        SaeHook hook = SaeLensHook.read(json);
        Path weights = directory.resolve(WEIGHTS);
        SafetensorsFile file = SafetensorsFile.open(weights);
        try {
            Map<String, HostTensor> arrays = new TreeMap<>();
            for (String name : file.names()) {
                arrays.put(name, file.tensor(name));
            }
            return checked(new SaeFiles(weights, config, hook, arrays, file));
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    /** The encoder is transposed into memory of its own; the other arrays stay in the file. */
    private static SaeFiles openSparsify(Path directory) {
        SaeConfig config = SparsifyConfig.read(JsonFiles.readObject(directory.resolve(CONFIG)));
        Path weights = directory.resolve(SPARSIFY_WEIGHTS);
        Arena arena = Arena.ofShared();
        SafetensorsFile file = null;
        try {
            file = SafetensorsFile.open(weights);
            SafetensorsFile opened = file;
            return checked(new SaeFiles(weights, config, SaeDirectories.hookOf(directory), SparsifyArrays.read(file, config, arena), () -> {
                arena.close();
                opened.close();
            }));
        } catch (RuntimeException e) {
            arena.close();
            if (file != null) {
                file.close();
            }
            throw e;
        }
    }

    /** Llama Scope's arrays are read once and folded into memory of their own; the file is not needed after that. */
    private static SaeFiles openLlamaScope(Path directory) {
        LlamaScopeConfig config = LlamaScopeConfig.read(JsonFiles.readObject(directory.resolve(HYPERPARAMS)),
            SaeDirectories.nameOf(directory));
        Path weights = LLAMA_SCOPE_WEIGHTS.stream().map(directory::resolve).filter(Files::exists).findFirst().orElseThrow(
            () -> new InputException(directory + " has " + HYPERPARAMS + " but neither " + String.join(" nor ", LLAMA_SCOPE_WEIGHTS)));
        Arena arena = Arena.ofShared();
        try (SafetensorsFile file = SafetensorsFile.open(weights)) {
            return checked(new SaeFiles(weights, config.toSaeConfig(), config.hook(), LlamaScopeArrays.read(file, config, arena), arena));
        } catch (RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    private static Shape requireMatrix(Path path, HostTensor array, String name) {
        if (array.shape().rank() != 2) {
            throw new InputException(path + ": " + name + " has shape " + array.shape() + ", expected a matrix [d_in, d_sae]");
        }
        return array.shape();
    }

    private static SaeFiles checked(SaeFiles files) {
        SaeConfig c = files.config;
        files.require("W_enc", Shape.of(c.dIn(), c.dSae()));
        files.require("W_dec", Shape.of(c.dSae(), c.dIn()));
        files.require("b_dec", Shape.of(c.dIn()));
        List<String> perFeature = switch (c.architecture()) {
            case STANDARD, TOPK -> List.of("b_enc");
            case JUMPRELU -> List.of("b_enc", "threshold");
            case GATED -> List.of("b_gate", "b_mag", "r_mag");
        };
        perFeature.forEach(name -> files.require(name, Shape.of(c.dSae())));
        files.requireNothingBut(perFeature);
        if (c.architecture() == SaeConfig.Architecture.JUMPRELU) {
            files.requireLivingThresholds();
        }
        return files;
    }

    /** An array that this architecture does not use would change the result if it meant something: not to be passed over. */
    private void requireNothingBut(List<String> perFeature) {
        for (String name : arrays.keySet()) {
            if (!perFeature.contains(name) && !List.of("W_enc", "W_dec", "b_dec").contains(name)) {
                throw new InputException(path + " has the array '" + name + "', which a "
                    + config.architecture().name().toLowerCase(Locale.ROOT) + " SAE does not use; is the architecture right?");
            }
        }
    }

    private void require(String name, Shape expected) {
        HostTensor array = arrays.get(name);
        if (array == null) {
            throw new InputException(path + " lacks the array '" + name + "' of a " + config.architecture().name().toLowerCase(Locale.ROOT)
                + " SAE; it has " + String.join(", ", arrays.keySet()));
        }
        if (!array.shape().equals(expected)) {
            throw new InputException(path + ": '" + name + "' has shape " + array.shape() + ", expected " + expected + " (d_in = "
                + config.dIn() + ", d_sae = " + config.dSae() + ")");
        }
        if (array.dtype() != DType.F32 && array.dtype() != DType.BF16 && array.dtype() != DType.F16 && array.dtype() != DType.F64) {
            throw new InputException(path + ": '" + name + "' has dtype " + array.dtype() + ", expected F32, BF16, F16 or F64");
        }
    }

    /**
     * NaN never compares as above: such a feature would be dead in silence. Infinite thresholds are dead features, all of them a dead SAE.
     */
    private void requireLivingThresholds() {
        float[] thresholds = array("threshold").toFloatArray();
        long dead = 0;
        for (int i = 0; i < thresholds.length; i++) {
            if (Float.isNaN(thresholds[i])) {
                throw new InputException(path + ": threshold[" + i + "] is NaN; the file is damaged");
            }
            dead += thresholds[i] == Float.POSITIVE_INFINITY ? 1 : 0;
        }
        if (thresholds.length > 0 && dead == thresholds.length) {
            throw new InputException(path + ": all " + dead + " features are dead, their thresholds are infinite");
        }
    }

    SaeConfig config() {
        return config;
    }

    SaeHook hook() {
        return hook;
    }

    Path path() {
        return path;
    }

    HostTensor array(String name) {
        return Objects.requireNonNull(arrays.get(name), name);
    }

    @Override
    public void close() {
        try {
            file.close();
        } catch (RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }
}
