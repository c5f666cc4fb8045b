package io.sails4j.model;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.config.Projection;
import io.sails4j.files.AtomicFiles;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.io.ShardedTensors;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The parameters of a model on a device: the embedding and the projections in the compute type, or packed in 8 and 4 bits; norm weights in
 * F32. Where the checkpoint has the wanted type and the device reads host memory, the mapped file itself serves; nothing is copied.
 */
public final class ModelWeights implements AutoCloseable {
    /** The embedding, [vocab_size, d_model]. */
    public static final String EMBED_TOKENS = "model.embed_tokens.weight";
    /** The norm before the head, [d_model]. */
    public static final String FINAL_NORM = "model.norm.weight";
    /** The head where it is not the embedding, [vocab_size, d_model]. */
    public static final String LM_HEAD = "lm_head.weight";
    private static final System.Logger LOG = System.getLogger("io.sails4j.model");
    private static final long CHUNK_ELEMENTS = 16L << 20;

    private final ModelConfig config;
    private final DType computeDtype;
    private final SequencedMap<String, Tensor> parameters;
    private final List<LayerWeights> layers = new ArrayList<>();
    private final Engine engine;
    private final List<Tensor> owned;
    /** Of packed embeddings and output matrices, for those who need them whole. */
    private final Map<String, Tensor> unpacked = new HashMap<>();
    private final boolean writable;
    private final @Nullable ShardedTensors mapped;
    private final List<String> ignored;

    private ModelWeights(ModelConfig config, Engine engine, DType computeDtype, SequencedMap<String, Tensor> parameters,
        List<Tensor> owned, boolean writable, @Nullable ShardedTensors mapped, List<String> ignored) {
        this.engine = engine;
        this.ignored = ignored;
        this.config = config;
        this.computeDtype = computeDtype;
        this.parameters = parameters;
        this.owned = owned;
        this.writable = writable;
        this.mapped = mapped;
        for (int layer = 0; layer < config.nLayers(); layer++) {
            layers.add(LayerWeights.of(config.family(), layer, this::parameter));
        }
    }

    /** Every parameter of the checkpoint format and its shape, in the order of the model. */
    public static SequencedMap<String, Shape> shapes(ModelConfig config) {
        SequencedMap<String, Shape> shapes = new LinkedHashMap<>();
        Shape norm = Shape.of(config.dModel());
        shapes.put(EMBED_TOKENS, Shape.of(config.vocabSize(), config.dModel()));
        for (int layer = 0; layer < config.nLayers(); layer++) {
            List<String> norms = LayerWeights.normNames(config.family(), layer);
            shapes.put(norms.getFirst(), norm);
            for (Projection projection : Projection.values()) {
                shapes.put(projection.modulePath(layer) + ".weight", Shape.of(projection.dOut(config), projection.dIn(config)));
            }
            norms.subList(1, norms.size()).forEach(name -> shapes.put(name, norm));
        }
        shapes.put(FINAL_NORM, norm);
        if (!config.tiedHead()) {
            shapes.put(LM_HEAD, Shape.of(config.vocabSize(), config.dModel()));
        }
        return shapes;
    }

    /**
     * Loads a Hugging Face checkpoint directory.
     *
     * @param writable give every parameter memory of its own, so that training can change it
     * @throws InputException where a tensor is missing, unknown, of another shape or type, or holds NaN or infinity
     */
    public static ModelWeights load(Path directory, ModelConfig config, Engine engine, DType computeDtype, boolean writable) {
        return load(directory, config, engine, new ModelOptions(computeDtype, writable, false));
    }

    /**
     * Loads a Hugging Face checkpoint directory as {@code options} say.
     *
     * @throws InputException as the other one; also where a quantized checkpoint is to be written or quantized once more
     */
    public static ModelWeights load(Path directory, ModelConfig config, Engine engine, ModelOptions options) {
        DType computeDtype = options.resolve(config);
        ShardedTensors checkpoint = ShardedTensors.open(directory);
        List<Tensor> owned = new ArrayList<>();
        try {
            SequencedMap<String, Shape> shapes = shapes(config);
            List<String> ignored = requireSameNames(directory, checkpoint, shapes, config);
            SequencedMap<String, Tensor> parameters = new LinkedHashMap<>();
            for (Map.Entry<String, Shape> entry : shapes.entrySet()) {
                DType dtype = isNorm(entry.getValue()) ? DType.F32 : computeDtype;
                Tensor tensor = loadTensor(checkpoint, entry.getKey(), entry.getValue(), engine, dtype, options, owned);
                parameters.put(entry.getKey(), tensor);
            }
            return new ModelWeights(config, engine, computeDtype, parameters, owned, options.writable(), checkpoint, ignored);
        } catch (RuntimeException e) {
            owned.forEach(Tensor::close);
            checkpoint.close();
            throw e;
        }
    }

    /**
     * That a checkpoint has the tensors of a configuration and no other, in their shapes and in types that can be used.
     *
     * @throws InputException which names what is wrong
     */
    public static void requireComplete(Path directory, ShardedTensors checkpoint, ModelConfig config) {
        SequencedMap<String, Shape> shapes = shapes(config);
        requireSameNames(directory, checkpoint, shapes, config);
        shapes.forEach((name, shape) -> requireType(checkpoint, name, shape));
    }

    /** What a checkpoint directory keeps its big matrices as. */
    public static WeightFormat formatOf(Path directory, ModelConfig config) {
        try (ShardedTensors checkpoint = ShardedTensors.open(directory)) {
            return formatOf(checkpoint, config);
        }
    }

    /** What a checkpoint keeps its big matrices as. */
    public static WeightFormat formatOf(ShardedTensors checkpoint, ModelConfig config) {
        return WeightFormat.of(shapes(config).entrySet().stream().filter(entry -> checkpoint.contains(entry.getKey()))
            .flatMap(entry -> PackedWeights.typeIn(checkpoint, entry.getKey(), entry.getValue()).stream()));
    }

    /** What a format makes of a matrix, by its name. */
    static DType packedType(WeightFormat format, String name) {
        return format.packedType(!name.equals(EMBED_TOKENS) && !name.equals(LM_HEAD));
    }

    private static boolean isNorm(Shape shape) {
        return shape.rank() == 1;
    }

    /** Whether a tensor that is no parameter is a buffer that older versions of transformers saved and that means nothing. */
    public static boolean isIgnored(String name, HostTensor tensor) {
        return IgnoredBuffers.contain(name, tensor);
    }

    /** Where the tensors have the names of a wrapper (DataParallel, torch.compile, PEFT, a model of images too) or of the bare model. */
    private static Optional<String> renamed(String wanted, Set<String> names) {
        String end = wanted.substring(wanted.indexOf('.') + 1);
        return names.stream().filter(name -> name.equals(end) || name.endsWith("." + end)).findFirst()
            .map(name -> "there is '" + name + "' in place of '" + wanted
                + "': the names are those of "
                + (name.equals(end) ? "the model without its head (AutoModel)" : "a wrapper around the model")
                + "; save the model that is inside with save_pretrained, or rename the tensors");
    }

    /** @return the buffers that are there beside the parameters and mean nothing; the logger has told of them */
    private static List<String> requireSameNames(Path directory, ShardedTensors checkpoint, Map<String, Shape> shapes, ModelConfig config) {
        List<String> missing = shapes.keySet().stream().filter(name -> !checkpoint.contains(name)).toList();
        if (!missing.isEmpty()) {
            throw new InputException(directory + " lacks " + missing.size() + " of the model's tensors: " + some(missing)
                + "; " + renamed(missing.getFirst(), checkpoint.names())
                    .orElse("config.json and the weights do not belong together, or the checkpoint is incomplete"));
        }
        List<String> ignored = checkpoint.names().stream()
            .filter(name -> !shapes.containsKey(name) && IgnoredBuffers.contain(name, checkpoint.tensor(name))).toList();
        List<String> extra = checkpoint.names().stream()
            .filter(name -> !shapes.containsKey(name) && !ignored.contains(name) && !isTiedHead(checkpoint, name)).toList();
        if (!extra.isEmpty()) {
            throw new InputException(directory + " has " + extra.size() + " tensors that a " + config.family().title()
                + " model of this configuration does not have: " + some(extra));
        }
        if (!ignored.isEmpty()) {
            LOG.log(System.Logger.Level.INFO, IgnoredBuffers.sentence(directory, ignored));
        }
        return ignored;
    }

    /** Some exports write the tied output matrix a second time; that is the same model only if it is the embedding, bit by bit. */
    private static boolean isTiedHead(ShardedTensors checkpoint, String name) {
        if (!name.equals(LM_HEAD)) {
            return false;
        }
        HostTensor head = checkpoint.tensor(LM_HEAD);
        HostTensor embedding = checkpoint.tensor(EMBED_TOKENS);
        if (head.dtype() != embedding.dtype() || !head.shape().equals(embedding.shape()) || head.data().mismatch(embedding.data()) != -1) {
            throw new InputException(checkpoint.fileOf(LM_HEAD) + ": '" + LM_HEAD + "' differs from '" + EMBED_TOKENS
                + "'; config.json says that the output matrix is the embedding (tie_word_embeddings)");
        }
        return true;
    }

    private static String some(List<String> names) {
        return String.join(", ", names.subList(0, Math.min(5, names.size()))) + (names.size() > 5 ? ", ..." : "");
    }

    private static HostTensor requireTensor(ShardedTensors checkpoint, String name, Shape shape) {
        HostTensor source = checkpoint.tensor(name);
        String where = checkpoint.fileOf(name) + ": tensor '" + name + "'";
        if (!source.shape().equals(shape)) {
            throw new InputException(where + " has shape " + source.shape() + ", config.json asks for " + shape);
        }
        if (source.dtype() != DType.F32 && source.dtype() != DType.BF16 && source.dtype() != DType.F16) {
            throw new InputException(where + " has dtype " + source.dtype() + ", expected F32, BF16 or F16");
        }
        return source;
    }

    private static DType requireType(ShardedTensors checkpoint, String name, Shape shape) {
        return PackedWeights.typeIn(checkpoint, name, shape).orElseGet(() -> requireTensor(checkpoint, name, shape).dtype());
    }

    private static Tensor loadTensor(ShardedTensors checkpoint, String name, Shape shape, Engine engine, DType dtype, ModelOptions options,
        List<Tensor> owned) {
        Optional<DType> packed = PackedWeights.typeIn(checkpoint, name, shape);
        if (packed.isPresent()) {
            return PackedWeights.load(checkpoint, name, shape, packed.get(), engine, options, owned);
        }
        if (isNorm(shape) || options.weights() == WeightFormat.CHECKPOINT) {
            return loadDense(checkpoint, name, shape, engine, dtype, options.writable(), owned);
        }
        List<Tensor> whole = new ArrayList<>();
        try {
            Tensor dense = loadDense(checkpoint, name, shape, engine, dtype, false, whole);
            Tensor tensor = engine.device().allocate(packedType(options.weights(), name), shape);
            owned.add(tensor);
            engine.ops().quantized().quantize(tensor, dense, null);
            return tensor;
        } finally {
            whole.forEach(Tensor::close);
        }
    }

    private static Tensor loadDense(ShardedTensors checkpoint, String name, Shape shape, Engine engine, DType dtype, boolean writable,
        List<Tensor> owned) {
        HostTensor source = requireTensor(checkpoint, name, shape);
        boolean aligned = source.data().address() % source.dtype().byteSize() == 0;
        Tensor tensor;
        if (source.dtype() == dtype && engine.device().hostAccessible() && !writable && aligned) {
            tensor = engine.device().wrap(source);
        } else {
            tensor = engine.device().allocate(dtype, shape);
            owned.add(tensor);
            upload(engine, tensor, source);
        }
        long bad = engine.ops().elementwise().countNonfinite(tensor);
        if (bad > 0) {
            throw new InputException(checkpoint.fileOf(name) + ": tensor '" + name + "' has " + bad
                + " values that are NaN or infinite; the checkpoint is damaged");
        }
        return tensor;
    }

    /** Copies host values in, converted chunk by chunk. */
    private static void upload(Engine engine, Tensor target, HostTensor source) {
        if (source.dtype() == target.dtype()) {
            target.upload(source.data());
            return;
        }
        long n = target.numel();
        long chunk = Math.min(n, CHUNK_ELEMENTS);
        int size = source.dtype().byteSize();
        Tensor flat = target.view(n);
        try (Tensor staging = engine.device().allocate(source.dtype(), Shape.of(chunk))) {
            for (long at = 0; at < n; at += chunk) {
                long count = Math.min(chunk, n - at);
                Tensor part = staging.rows(0, count);
                part.upload(source.data().asSlice(at * size, count * size));
                engine.ops().elementwise().convert(flat.rows(at, count), part);
            }
        }
    }

    /** Random weights in the shape of a configuration, for measurements and for small models made from nothing. */
    public static ModelWeights random(ModelConfig config, Engine engine, DType computeDtype, long seed) {
        List<Tensor> owned = new ArrayList<>();
        SequencedMap<String, Tensor> parameters = new LinkedHashMap<>();
        RandomWeights random = new RandomWeights(engine, seed);
        try {
            shapes(config).forEach((name, shape) -> {
                Tensor tensor = engine.device().allocate(isNorm(shape) ? DType.F32 : computeDtype, shape);
                owned.add(tensor);
                if (isNorm(shape)) {
                    float[] ones = new float[Math.toIntExact(tensor.numel())];
                    Arrays.fill(ones, 1 - config.family().normOffset());
                    tensor.upload(ones);
                } else {
                    // 1/sqrt(fan in) keeps activations of order one; Gemma-2 multiplies the embedding by sqrt(d_model) before use.
                    random.fill(tensor, 1 / Math.sqrt(shape.dim(1)));
                }
                parameters.put(name, tensor);
            });
        } catch (RuntimeException e) {
            // Out of memory half way: what is there goes back.
            owned.forEach(Tensor::close);
            throw e;
        }
        return new ModelWeights(config, engine, computeDtype, parameters, owned, true, null, List.of());
    }

    /**
     * These weights packed, as new ones that do not depend on them.
     *
     * @param importance [columns] F32 of a matrix by its name: how much an error of a column counts; null where all count the same and the
     *     largest of a group decides its scale
     */
    public ModelWeights packed(WeightFormat format, Function<String, @Nullable Tensor> importance) {
        List<Tensor> copies = new ArrayList<>();
        SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
        try {
            parameters.forEach((name, tensor) -> {
                boolean norm = isNorm(tensor.shape());
                Tensor copy = engine.device().allocate(norm ? DType.F32 : packedType(format, name), tensor.shape());
                copies.add(copy);
                if (norm) {
                    copy.copyFrom(tensor);
                } else {
                    engine.ops().quantized().quantize(copy, tensor, importance.apply(name));
                }
                tensors.put(name, copy);
            });
        } catch (RuntimeException | Error e) {
            copies.forEach(Tensor::close);
            throw e;
        }
        return new ModelWeights(config, engine, computeDtype, tensors, copies, false, null, List.of());
    }

    /** Writes {@code config.json} and {@code model.safetensors} in the checkpoint's type into an existing directory. */
    public void writeInto(Path directory, Engine engine) {
        try (Arena arena = Arena.ofConfined()) {
            SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
            parameters.forEach((name, tensor) -> tensors.put(name, tensor.dtype().isPacked() ? PackedWeights.toHost(tensor, arena)
                : toHost(engine, tensor, config.checkpointDtype(), arena)));
            SafetensorsWriter.write(directory.resolve("model.safetensors"), tensors, Map.of("format", "pt"));
        }
        ObjectNode json = config.toJson();
        if (isPacked()) {
            PackedWeights.mark(json);
        }
        AtomicFiles.writeJson(directory.resolve("config.json"), json);
    }

    /** A device tensor's values on the host in the given type. */
    public static HostTensor toHost(Engine engine, Tensor tensor, DType dtype, Arena arena) {
        MemorySegment bytes = arena.allocate(tensor.numel() * dtype.byteSize(), 64);
        if (tensor.dtype() == dtype) {
            tensor.download(bytes);
        } else {
            try (Tensor converted = engine.device().allocate(dtype, tensor.shape())) {
                engine.ops().elementwise().convert(converted, tensor);
                converted.download(bytes);
            }
        }
        return new HostTensor(dtype, tensor.shape(), bytes);
    }

    /** The model's configuration. */
    public ModelConfig config() {
        return config;
    }

    /** The type of the big weights, F32 or BF16. */
    public DType computeDtype() {
        return computeDtype;
    }

    /** Whether every parameter has memory of its own, which may be changed. */
    public boolean writable() {
        return writable;
    }

    /** Names of the checkpoint's buffers that were passed over: they are no parameters, and config.json determines them. */
    public List<String> ignored() {
        return ignored;
    }

    /** All parameters by their names in the checkpoint. */
    public Map<String, Tensor> parameters() {
        return Collections.unmodifiableMap(parameters);
    }

    /** A weight by its name in the checkpoint. */
    public Tensor parameter(String name) {
        Tensor tensor = parameters.get(name);
        if (tensor == null) {
            throw new IllegalArgumentException("the model has no parameter '" + name + "'");
        }
        return tensor;
    }

    /** Whether the big matrices are packed. */
    public boolean isPacked() {
        return format() != WeightFormat.CHECKPOINT;
    }

    /** What the big matrices are kept as: the one with the fewest bits where they differ, CHECKPOINT where they are not packed. */
    public WeightFormat format() {
        return WeightFormat.of(parameters.values().stream().map(Tensor::dtype));
    }

    /** Bytes that the parameters take, in memory or in the mapped file. */
    public long byteSize() {
        return parameters.values().stream().mapToLong(Tensor::byteSize).sum();
    }

    /** A weight by its name in the checkpoint, not packed: in its own memory, or a packed one in the compute type in {@code memory}. */
    public Tensor dense(String name, TensorArena memory) {
        return PackedWeights.dense(engine.ops(), parameter(name), computeDtype, memory);
    }

    /** [vocab_size, d_model] in the compute type: the input embedding. Of a packed one a copy is made, which stays. */
    public Tensor embedTokens() {
        return whole(EMBED_TOKENS);
    }

    /**
     * [vocab_size, d_model] in the compute type: the output matrix, which may be the embedding. Of a packed one a copy is made that stays.
     */
    public Tensor head() {
        return whole(headName(config));
    }

    private Tensor whole(String name) {
        Tensor tensor = parameter(name);
        if (!tensor.dtype().isPacked()) {
            return tensor;
        }
        synchronized (unpacked) {
            return unpacked.computeIfAbsent(name, _ -> {
                Tensor dense = engine.device().allocate(computeDtype, tensor.shape());
                engine.ops().quantized().dequantize(dense, tensor);
                return dense;
            });
        }
    }

    /** The output matrix's name among the parameters. */
    public static String headName(ModelConfig config) {
        return config.tiedHead() ? EMBED_TOKENS : LM_HEAD;
    }

    Tensor finalNorm() {
        return parameter(FINAL_NORM);
    }

    LayerWeights layer(int layer) {
        return layers.get(layer);
    }

    @Override
    public void close() {
        owned.forEach(Tensor::close);
        unpacked.values().forEach(Tensor::close);
        if (mapped != null) {
            mapped.close();
        }
    }
}
