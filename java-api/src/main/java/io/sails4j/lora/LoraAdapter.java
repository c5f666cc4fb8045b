package io.sails4j.lora;

import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.config.ModuleKey;
import io.sails4j.files.AtomicFiles;
import io.sails4j.files.ForeignFile;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.io.ShardedTensors;
import io.sails4j.model.DoraScale;
import io.sails4j.model.LowRankAdapter;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * An adapter on a device: lora_A [r, d_in] and lora_B [d_out, r] F32 for each of its modules, with DoRA lora_magnitude_vector [d_out] F32
 * too.
 */
public final class LoraAdapter implements AutoCloseable {
    private static final String CONFIG = "adapter_config.json";
    private static final String WEIGHTS = "adapter_model.safetensors";
    private static final String PREFIX = AdapterNames.PREFIX;
    /** What PEFT's save_embedding_layers adds, and other whole modules of that kind. */
    private static final Pattern EMBEDDING = Pattern.compile("(.*\\.)?(embed_tokens|lm_head)(\\..*)?\\.weight");

    private final LoraConfig config;
    private final Map<ModuleKey, LowRankAdapter> modules;
    private final List<String> notes;

    private LoraAdapter(LoraConfig config, Map<ModuleKey, LowRankAdapter> modules, List<String> notes) {
        this.config = config;
        this.modules = modules;
        this.notes = notes;
    }

    /** An adapter whose factors are all zero. */
    public static LoraAdapter create(LoraConfig config, ModelConfig model, Device device) {
        return create(config, model, device, List.of());
    }

    private static LoraAdapter create(LoraConfig config, ModelConfig model, Device device, List<String> notes) {
        Map<ModuleKey, LowRankAdapter> modules = new TreeMap<>();
        List<Tensor> made = new ArrayList<>();
        Function<Shape, Tensor> zeros = shape -> {
            Tensor tensor = device.zeros(DType.F32, shape);
            made.add(tensor);
            return tensor;
        };
        try {
            for (ModuleKey module : config.modules()) {
                modules.put(module, new LowRankAdapter(zeros.apply(shapeA(config, model, module)),
                    zeros.apply(shapeB(config, model, module)), config.scale(module), !config.dora() ? null
                        : new DoraScale(zeros.apply(shapeMagnitude(model, module)), zeros.apply(shapeMagnitude(model, module)))));
            }
        } catch (RuntimeException | Error e) {
            // Half an adapter is nobody's.
            made.forEach(Tensor::close);
            throw e;
        }
        return new LoraAdapter(config, modules, notes);
    }

    private static Shape shapeA(LoraConfig config, ModelConfig model, ModuleKey module) {
        return Shape.of(config.rank(module), module.projection().dIn(model));
    }

    private static Shape shapeB(LoraConfig config, ModelConfig model, ModuleKey module) {
        return Shape.of(module.projection().dOut(model), config.rank(module));
    }

    private static Shape shapeMagnitude(ModelConfig model, ModuleKey module) {
        return Shape.of(module.projection().dOut(model));
    }

    /** Whether a directory looks like an adapter. */
    public static boolean isAdapter(Path directory) {
        return Files.exists(directory.resolve(CONFIG));
    }

    /** Loads a PEFT directory for a base model. */
    public static LoraAdapter load(Path directory, ModelConfig model, Engine engine) {
        if (!Files.isDirectory(directory)) {
            throw new InputException(directory + " is not a directory; expected a PEFT adapter with " + CONFIG + " and " + WEIGHTS);
        }
        LoraConfigReader.Found found = LoraConfigReader.read(directory.resolve(CONFIG), model);
        LoraConfig config = found.config();
        if (Files.notExists(directory.resolve(WEIGHTS))) {
            throw missingWeights(directory);
        }
        try (SafetensorsFile file = SafetensorsFile.open(directory.resolve(WEIGHTS))) {
            AdapterNames names = new AdapterNames(file);
            requireNames(names, found, model);
            List<String> notes = Stream.concat(found.notes().stream(), names.notes().stream()).toList();
            LoraAdapter adapter = create(config, model, engine.device(), notes);
            try {
                adapter.modules.forEach((module, factors) -> {
                    upload(names, key(module, "A"), factors.loraA(), engine);
                    upload(names, key(module, "B"), factors.loraB(), engine);
                    if (factors.dora() != null) {
                        upload(names, magnitudeKey(module), factors.dora().magnitude(), engine);
                    }
                });
            } catch (RuntimeException e) {
                adapter.close();
                throw e;
            }
            return adapter;
        }
    }

    private static InputException missingWeights(Path directory) {
        try (Stream<Path> files = Files.list(directory)) {
            return files.filter(p -> ShardedTensors.isPickle(p.getFileName().toString())).findFirst().map(ShardedTensors::pickleRefused)
                .orElseGet(() -> ForeignFile.missing(directory.resolve(WEIGHTS), null));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String key(ModuleKey module, String factor) {
        return PREFIX + module.path() + ".lora_" + factor + ".weight";
    }

    private static String magnitudeKey(ModuleKey module) {
        return PREFIX + module.path() + ".lora_magnitude_vector";
    }

    private static void requireNames(AdapterNames file, LoraConfigReader.Found found, ModelConfig model) {
        LoraConfig config = found.config();
        Set<String> expected = new TreeSet<>();
        for (ModuleKey module : config.modules()) {
            requireTensor(file, module, key(module, "A"), shapeA(config, model, module), config);
            requireTensor(file, module, key(module, "B"), shapeB(config, model, module), config);
            if (config.dora()) {
                requireTensor(file, module, magnitudeKey(module), shapeMagnitude(model, module), config);
                expected.add(magnitudeKey(module));
            }
            expected.add(key(module, "A"));
            expected.add(key(module, "B"));
            if (found.velora()) {
                // The direction by which training compressed inputs; what the adapter adds does not depend on it.
                expected.add(PREFIX + module.path() + ".lora_velora_embed");
            }
        }
        List<String> unused = file.names().stream().filter(name -> !expected.contains(name)).toList();
        if (!unused.isEmpty()) {
            throw new InputException(
                file.path() + " has " + unused.size() + (unused.size() == 1 ? " tensor" : " tensors") + " that " + reason(unused)
                    + ": '" + String.join("', '", unused.subList(0, Math.min(4, unused.size()))) + (unused.size() > 4 ? "', ..." : "'")
                    + advice(unused));
        }
    }

    private static String reason(List<String> unused) {
        if (unused.stream().allMatch(name -> name.endsWith(".bias"))) {
            return "are trained biases ('bias' of " + CONFIG + "), which the models here do not have";
        }
        return unused.stream().allMatch(EMBEDDING.asMatchPredicate()) ? "are whole embeddings, saved beside the adapter"
            : "target_modules of " + CONFIG + " or the base model do not have";
    }

    /** Whether embeddings were trained or only saved, the file does not say: so that they are neither used nor passed over. */
    private static String advice(List<String> unused) {
        return unused.stream().noneMatch(EMBEDDING.asMatchPredicate()) ? ""
            : "; if they were trained or resized, merge in PEFT (merge_and_unload gives a checkpoint that can be used), if not, save the"
                + " adapter with save_pretrained(..., save_embedding_layers=False)";
    }

    private static void requireTensor(AdapterNames file, ModuleKey module, String name, Shape expected, LoraConfig config) {
        if (!file.contains(name)) {
            throw new InputException(file.path() + " lacks '" + name + "', which " + CONFIG + " promises for " + module);
        }
        Shape found = file.tensor(name).shape();
        if (!found.equals(expected)) {
            boolean a = name.endsWith("lora_A.weight");
            boolean rankDiffers = expected.rank() == 2 && found.rank() == 2 && found.dim(a ? 0 : 1) != config.rank(module);
            throw new InputException(file.path() + ": '" + name + "' has shape " + found + ", expected " + expected + (rankDiffers
                ? "; " + CONFIG + " says rank " + config.rank(module) : "; the adapter belongs to another base model"));
        }
    }

    private static void upload(AdapterNames file, String name, Tensor target, Engine engine) {
        HostTensor source = file.tensor(name);
        if (source.dtype() == DType.F32) {
            target.upload(source.data());
        } else if (source.dtype() == DType.BF16 || source.dtype() == DType.F16) {
            try (Tensor staged = engine.device().upload(source)) {
                engine.ops().elementwise().convert(target, staged);
            }
        } else {
            throw new InputException(file.path() + ": '" + name + "' has dtype " + source.dtype() + ", expected F32, BF16 or F16");
        }
        long bad = engine.ops().elementwise().countNonfinite(target);
        if (bad > 0) {
            throw new InputException(file.path() + ": '" + name + "' has " + bad + " values that are NaN or infinite");
        }
    }

    /** Writes the adapter's two files into an existing directory. */
    public void writeInto(Path directory) {
        SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
        modules.forEach((module, factors) -> {
            tensors.put(key(module, "A"), factors.loraA().toHost());
            tensors.put(key(module, "B"), factors.loraB().toHost());
            if (factors.dora() != null) {
                tensors.put(magnitudeKey(module), factors.dora().magnitude().toHost());
            }
        });
        SafetensorsWriter.write(directory.resolve(WEIGHTS), tensors, Map.of("format", "pt"));
        AtomicFiles.writeJson(directory.resolve(CONFIG), config.toJson());
    }

    /** Writes a PEFT directory, whole or not at all. */
    public void save(Path directory) {
        AtomicFiles.writeDirectory(directory, this::writeInto);
    }

    /** Ranks, scales and modules. */
    public LoraConfig config() {
        return config;
    }

    /** What a person should know about the files that were read, a sentence each: fields that are unknown, patterns that fit nothing. */
    public List<String> notes() {
        return notes;
    }

    /** The factors by module, in the order of the model. */
    public Map<ModuleKey, LowRankAdapter> modules() {
        return Collections.unmodifiableMap(modules);
    }

    /** Numbers in all factors and magnitudes. */
    public long trainableCount() {
        return modules.values().stream().mapToLong(m -> m.loraA().numel() + m.loraB().numel()
            + (m.dora() == null ? 0 : m.dora().magnitude().numel())).sum();
    }

    @Override
    public void close() {
        modules.values().forEach(factors -> {
            factors.loraA().close();
            factors.loraB().close();
            if (factors.dora() != null) {
                factors.dora().close();
            }
        });
    }
}
