package io.sails4j.model;

import io.sails4j.config.ModelConfig;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Keys and values of the tokens so far: for each layer [batch, capacity, n_kv_heads * head_dim] in the compute type. */
public final class KvCache extends PassCache implements AutoCloseable {
    private final ModelConfig config;
    private final int batch;
    private final int capacity;
    private final List<Tensor> keys = new ArrayList<>();
    private final List<Tensor> values = new ArrayList<>();
    private final TensorArena segmentMemory;
    private final int[] segments;
    private final Tensor placeSegments;
    private Tensor keySegments;
    private int length;

    /**
     * An empty cache for sequences of such a model.
     *
     * @param dtype of keys and values: the compute type of the models that use the cache
     */
    public KvCache(ModelConfig config, DType dtype, Device device, int batch, int capacity) {
        this.config = config;
        this.batch = batch;
        this.capacity = capacity;
        this.segments = new int[batch * capacity];
        this.segmentMemory = new TensorArena(device);
        this.keySegments = segmentMemory.allocate(DType.I32, 0);
        Shape shape = Shape.of(batch, capacity, config.kvWidth());
        try {
            for (int layer = 0; layer < config.nLayers(); layer++) {
                keys.add(device.allocate(dtype, shape));
                values.add(device.allocate(dtype, shape));
            }
            this.placeSegments = device.allocate(DType.I32, Shape.of(batch, capacity));
        } catch (RuntimeException | Error e) {
            // Half a cache is nobody's.
            keys.forEach(Tensor::close);
            values.forEach(Tensor::close);
            segmentMemory.close();
            throw e;
        }
    }

    /** Number of positions that are filled. */
    @Override
    public int length() {
        return length;
    }

    /** Positions that each sequence has room for. */
    public int capacity() {
        return capacity;
    }

    @Override
    void begin(TokenBatch tokens) {
        if (tokens.batch() != batch || length + tokens.length() > capacity) {
            throw new IllegalStateException(tokens.batch() + " x " + tokens.length() + " tokens do not fit into a cache of " + batch + " x "
                + capacity + " that holds " + length);
        }
        int total = length + tokens.length();
        int[] dense = new int[batch * total];
        for (int b = 0; b < batch; b++) {
            System.arraycopy(tokens.segments(), b * tokens.length(), segments, b * capacity + length, tokens.length());
            System.arraycopy(segments, b * capacity, dense, b * total, total);
        }
        segmentMemory.reset();
        keySegments = segmentMemory.of(dense, batch, total);
    }

    @Override
    void append(int layer, Tensor k, Tensor v) {
        long rows = k.dim(0) / Math.max(1, batch);
        for (int b = 0; b < batch; b++) {
            long at = (long) b * capacity + length;
            flat(keys.get(layer)).rows(at, rows).copyFrom(k.rows(b * rows, rows));
            flat(values.get(layer)).rows(at, rows).copyFrom(v.rows(b * rows, rows));
        }
    }

    private Tensor flat(Tensor tensor) {
        return tensor.view((long) batch * capacity, config.kvWidth());
    }

    /** Forgets all sequences, for others in their places. */
    void clear() {
        length = 0;
        Arrays.fill(segments, 0);
    }

    /** Every sequence begins with what the only sequence of another cache of the same model holds; what was here is forgotten. */
    void repeat(KvCache one) {
        clear();
        length = one.length;
        for (int layer = 0; layer < keys.size(); layer++) {
            Tensor oneKeys = one.flat(one.keys.get(layer)).rows(0, length);
            Tensor oneValues = one.flat(one.values.get(layer)).rows(0, length);
            for (int b = 0; b < batch; b++) {
                flat(keys.get(layer)).rows((long) b * capacity, length).copyFrom(oneKeys);
                flat(values.get(layer)).rows((long) b * capacity, length).copyFrom(oneValues);
            }
        }
        for (int b = 0; b < batch; b++) {
            System.arraycopy(one.segments, 0, segments, b * capacity, length);
        }
    }

    /** Forgets what stands behind the first positions. */
    void truncate(int positions) {
        length = Math.min(length, positions);
        for (int b = 0; b < batch; b++) {
            Arrays.fill(segments, b * capacity + length, (b + 1) * capacity, 0);
        }
    }

    @Override
    void commit(TokenBatch tokens) {
        length += tokens.length();
    }

    @Override
    Tensor keys(int layer) {
        return keys.get(layer);
    }

    @Override
    Tensor values(int layer) {
        return values.get(layer);
    }

    @Override
    Tensor keySegments() {
        return keySegments;
    }

    /** [batch, capacity, n_kv_heads, head_dim]. */
    Tensor keysByHead(int layer) {
        return byHead(keys.get(layer));
    }

    Tensor valuesByHead(int layer) {
        return byHead(values.get(layer));
    }

    private Tensor byHead(Tensor tensor) {
        return tensor.view(batch, capacity, config.nKvHeads(), config.headDim());
    }

    /** Brings the segments of all places to the device; from then on they are extended there, and the host's view of the cache ends. */
    void uploadSegments() {
        placeSegments.upload(segments);
    }

    /** Of all places [batch, capacity] I32, see {@link #uploadSegments}. */
    Tensor segments() {
        return placeSegments;
    }

    @Override
    long batchStride() {
        return capacity * config.kvWidth();
    }

    @Override
    public void close() {
        keys.forEach(Tensor::close);
        values.forEach(Tensor::close);
        segmentMemory.close();
        placeSegments.close();
    }
}
