package io.sails4j.saetrain;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.io.NpzFile;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.io.TensorPlace;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Shape;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.function.Function;
import java.util.stream.LongStream;

/** Vectors of a file, [..., d_in]. They stay in the mapped file: a row is read when its turn has come. */
public final class StoredActivations implements ActivationSource {
    private final String name;
    private final HostTensor tensor;
    private final AutoCloseable file;
    private final Path path;
    private final int layer;
    private final long seed;
    private final int dIn;
    private final long rows;
    private long taken;

    private StoredActivations(Path path, String name, HostTensor tensor, AutoCloseable file, int layer, long seed) {
        this.path = path;
        this.name = path + ":" + name;
        this.tensor = tensor;
        this.file = file;
        this.layer = layer;
        this.seed = seed;
        Shape shape = tensor.shape();
        if (!tensor.dtype().isFloating() || shape.rank() < 2) {
            throw new InputException(this.name + " is " + tensor.dtype() + " " + shape + ", expected floating-point vectors [n, d_in]");
        }
        this.dIn = Math.toIntExact(shape.dim(-1));
        if (shape.numel() == 0) {
            throw new InputException(this.name + " has shape " + shape + ": there is no vector in it");
        }
        this.rows = shape.numel() / dIn;
    }

    /**
     * Opens vectors.
     *
     * @param where {@code FILE} or {@code FILE:TENSOR} of a safetensors or npz file; the name may be left out where one floating-point
     *        tensor is there
     * @param layer after which they were taken, {@link ActivationSource#NO_LAYER} where nobody knows
     * @param seed of their order
     */
    public static StoredActivations open(String where, int layer, long seed) {
        TensorPlace place = TensorPlace.parse(where);
        if (place.path().toString().endsWith(".npz")) {
            NpzFile file = NpzFile.open(place.path());
            return opened(place, file.names(), file::array, file, layer, seed);
        }
        SafetensorsFile file = SafetensorsFile.open(place.path());
        return opened(place, file.names(), file::tensor, file, layer, seed);
    }

    private static StoredActivations opened(TensorPlace place, Collection<String> names, Function<String, HostTensor> read,
        AutoCloseable file, int layer, long seed) {
        try {
            String name = place.nameAmong(names, read);
            place.requireAmong(names, name);
            return new StoredActivations(place.path(), name, read.apply(name), file, layer, seed);
        } catch (RuntimeException e) {
            close(file);
            throw e;
        }
    }

    /** The file. */
    public Path path() {
        return path;
    }

    /** How many vectors there are. */
    public long rows() {
        return rows;
    }

    /** A vector. */
    public float[] row(long row) {
        long bytes = (long) dIn * tensor.dtype().byteSize();
        return new HostTensor(tensor.dtype(), Shape.of(dIn), tensor.data().asSlice(row * bytes, bytes)).toFloatArray();
    }

    @Override
    public List<Integer> layers() {
        return List.of(layer);
    }

    @Override
    public int dIn() {
        return dIn;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public float[][] peek(int n) {
        return new float[][] {read(0, (int) Math.min(n, rows))};
    }

    /** The rows of {@link #peek}, in its order. */
    public long[] peekedRows(int n) {
        RowOrder order = RowOrder.of(rows, seed, 0);
        return LongStream.range(0, Math.min(n, rows)).map(order::at).toArray();
    }

    @Override
    public float[][] next(int n) {
        float[] vectors = read(taken, n);
        taken += n;
        return new float[][] {vectors};
    }

    private float[] read(long from, int n) {
        float[] vectors = new float[Math.multiplyExact(n, dIn)];
        RowOrder order = RowOrder.of(rows, seed, from / rows);
        for (int i = 0; i < n; i++) {
            long at = from + i;
            if (at % rows == 0) {
                order = RowOrder.of(rows, seed, at / rows);
            }
            System.arraycopy(row(order.at(at % rows)), 0, vectors, i * dIn, dIn);
        }
        return vectors;
    }

    @Override
    public void putState(ObjectNode json) {
        json.put("taken", taken);
    }

    @Override
    public void restore(JsonNode json) {
        taken = json.path("taken").asLong();
    }

    @Override
    public long bufferBytes() {
        return 0;
    }

    private static void close(AutoCloseable file) {
        try {
            file.close();
        } catch (RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public void close() {
        close(file);
    }
}
