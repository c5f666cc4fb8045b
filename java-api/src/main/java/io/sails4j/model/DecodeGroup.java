package io.sails4j.model;

import io.sails4j.config.ModelConfig;
import io.sails4j.ops.Graph;
import io.sails4j.ops.Ops;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Sequences that decode together. Every step has the same number of rows, whether a sequence stands there or none, so that one sequence's
 * token is computed by the same products however many are beside it; the attention runs for each sequence alone, over a cache of its own
 * that begins at its first token.
 */
final class DecodeGroup implements AutoCloseable {
    private final CausalModel model;
    private final GenerationOptions options;
    private final boolean record;
    private final DecodeLayers layers;
    private final TensorArena memory;
    private final DecodeBuffers buffers;
    private final int capacity;
    private final @Nullable KvCache[] caches;
    private final List<DecodeBuffers> sequences = new ArrayList<>();
    private final boolean[] active;
    private final int[] ids;
    private final int[] positions;
    private final float[] uniforms;
    private @Nullable Graph graph;

    /** @param capacity of each cache; it is the same for all, since kernels may cut a cache into pieces by it */
    DecodeGroup(CausalModel model, AdapterStack adapters, @Nullable StreamEdit edit, GenerationOptions options, int rows, int capacity) {
        ModelConfig config = model.config();
        this.capacity = capacity;
        this.caches = new @Nullable KvCache[rows];
        this.model = model;
        this.options = options;
        this.record = DecodeSteps.records(options.graphs(), model.engine(), edit);
        this.layers = new DecodeLayers(model, adapters, edit);
        this.memory = new TensorArena(model.engine().device());
        this.active = new boolean[rows];
        this.ids = new int[rows];
        this.positions = new int[rows];
        this.uniforms = new float[rows];
        Arrays.fill(ids, config.fillerId());
        try {
            this.buffers = DecodeBuffers.allocate(config, model.computeDtype(), rows, 1, options.temperature() != 0, memory);
            // The rows of no sequence are computed too, and must be numbers.
            buffers.z().fillZero();
            for (int row = 0; row < rows; row++) {
                sequences.add(buffers.sequence(row));
            }
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    /** Whether no sequence stands in any row. */
    boolean idle() {
        for (boolean one : active) {
            if (one) {
                return false;
            }
        }
        return true;
    }

    /** An empty cache for the prompt of the sequence that comes into a free row. */
    KvCache cache(int row) {
        KvCache cache = cacheOf(row);
        cache.clear();
        return cache;
    }

    /** Made when it is needed: few sequences take the memory of few. */
    private KvCache cacheOf(int row) {
        KvCache cache = caches[row];
        if (cache == null) {
            cache = new KvCache(model.config(), model.computeDtype(), model.engine().device(), 1, capacity);
            caches[row] = cache;
            cache.uploadSegments();
        }
        return cache;
    }

    /** A sequence stands in a row from now on, whose prompt the row's cache holds. */
    void enter(int row) {
        cacheOf(row).uploadSegments();
        positions[row] = cacheOf(row).length();
        active[row] = true;
    }

    /** The token that the sequence of a row has got last, and the random number for the next. */
    void feed(int row, int id, float uniform) {
        ids[row] = id;
        uniforms[row] = uniform;
    }

    /** A sequence has ended. */
    void leave(int row) {
        active[row] = false;
        ids[row] = model.config().fillerId();
        positions[row] = 0;
    }

    /** One more token of each sequence, by rows; what stands in a free row means nothing. */
    int[] step() {
        buffers.ids().upload(ids);
        buffers.positions().upload(positions);
        if (buffers.uniform() != null) {
            buffers.uniform().upload(uniforms);
        }
        if (graph != null) {
            graph.launch();
        } else {
            compute();
            // Having run once, a step finds all workspaces as large as it needs them.
            graph = record ? model.engine().record(this::compute) : null;
        }
        for (int row = 0; row < active.length; row++) {
            positions[row] += active[row] ? 1 : 0;
        }
        return buffers.ids().toIntArray();
    }

    private void compute() {
        layers.run(buffers, this::attend);
        model.engine().ops().sampling().sample(buffers.ids(), buffers.logits(), buffers.uniform() == null ? null
            : buffers.uniform().view(active.length), (float) options.temperature(), options.topK(), (float) options.topP());
    }

    /** A recording is launched for whatever sequences there are then, so that it holds all rows. */
    private void attend(Ops ops, DecodeBuffers b, int layer) {
        for (int row = 0; row < active.length; row++) {
            if (record || active[row]) {
                Tensor place = b.positions().rows(row, 1);
                layers.attend(ops, layer, cacheOf(row), sequences.get(row), place);
            }
        }
    }

    @Override
    public void close() {
        if (graph != null) {
            graph.close();
        }
        Arrays.stream(caches).filter(Objects::nonNull).forEach(KvCache::close);
        memory.close();
        layers.close();
    }
}
