package io.sails4j.model;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.io.ShardedTensors;
import io.sails4j.ops.Engine;
import io.sails4j.ops.Ops;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Optional;
import java.util.stream.LongStream;

/** Packed matrices in checkpoints: U8 [rows, bytes of a row] under the name of the matrix, from whose columns the type follows. */
final class PackedWeights {
    private static final int ALIGNMENT = 16;
    private static final ValueLayout.OfShort SCALE = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final int INFINITE = 0x7f80;

    private PackedWeights() {
    }

    /** The packed type in which a checkpoint has a matrix; empty where it is no bytes, or of another shape. */
    static Optional<DType> typeIn(ShardedTensors checkpoint, String name, Shape shape) {
        HostTensor source = checkpoint.tensor(name);
        if (source.dtype() != DType.U8 || shape.rank() != 2 || source.shape().rank() != 2 || source.shape().dim(0) != shape.dim(0)) {
            return Optional.empty();
        }
        return List.of(DType.Q8, DType.Q4).stream().filter(type -> type.packedRowBytes(shape.dim(1)) == source.shape().dim(1)).findFirst();
    }

    /** The matrix on the device: the mapped file itself where that can be. */
    static Tensor load(ShardedTensors checkpoint, String name, Shape shape, DType type, Engine engine, ModelOptions options,
        List<Tensor> owned) {
        String where = checkpoint.fileOf(name) + ": tensor '" + name + "' is quantized";
        if (options.writable()) {
            throw new InputException(
                where + " and cannot be trained; train an adapter on it, or take the checkpoint that it was made from");
        }
        if (options.weights() != WeightFormat.CHECKPOINT) {
            throw new InputException(
                where + " already; leave out the wish for other weights, or take the checkpoint that it was made from");
        }
        HostTensor source = checkpoint.tensor(name);
        requireFiniteScales(source, shape, type, checkpoint.fileOf(name) + ": tensor '" + name + "'");
        HostTensor packed = new HostTensor(type, shape, source.data());
        if (engine.device().hostAccessible() && source.data().address() % ALIGNMENT == 0) {
            return engine.device().wrap(packed);
        }
        Tensor tensor = engine.device().allocate(type, shape);
        owned.add(tensor);
        tensor.upload(source.data());
        return tensor;
    }

    /** A damaged scale would make a group of weights infinite or NaN. */
    private static void requireFiniteScales(HostTensor packed, Shape shape, DType type, String where) {
        long groups = Math.ceilDiv(shape.dim(1), (long) DType.GROUP);
        long rowBytes = type.packedRowBytes(shape.dim(1));
        long codeBytes = groups * (type == DType.Q8 ? DType.GROUP : DType.GROUP / 2);
        long bad = LongStream.range(0, shape.dim(0)).parallel().map(row -> LongStream.range(0, groups)
            .filter(g -> (packed.data().get(SCALE, row * rowBytes + codeBytes + 2 * g) & INFINITE) == INFINITE).count()).sum();
        if (bad > 0) {
            throw new InputException(where + " has " + bad + " scales that are NaN or infinite; the checkpoint is damaged");
        }
    }

    static HostTensor toHost(Tensor tensor, Arena arena) {
        long rowBytes = tensor.dtype().packedRowBytes(tensor.dim(1));
        MemorySegment bytes = arena.allocate(tensor.byteSize(), ALIGNMENT);
        tensor.download(bytes);
        return new HostTensor(DType.U8, Shape.of(tensor.dim(0), rowBytes), bytes);
    }

    /** So that other programs refuse the checkpoint instead of taking bytes for weights. */
    static void mark(ObjectNode config) {
        config.putObject("quantization_config").put("quant_method", ModelConfig.QUANT_METHOD).put("group_size", DType.GROUP);
    }

    /** A matrix itself, or a packed one in {@code type} in {@code memory}. */
    static Tensor dense(Ops ops, Tensor weight, DType type, TensorArena memory) {
        if (!weight.dtype().isPacked()) {
            return weight;
        }
        Tensor dense = memory.allocate(type, weight.shape().toArray());
        ops.quantized().dequantize(dense, weight);
        return dense;
    }
}
