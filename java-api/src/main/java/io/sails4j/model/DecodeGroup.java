package io.sails4j.model;

import io.sails4j.config.ModelConfig;
import io.sails4j.ops.Graph;
import io.sails4j.ops.Graphs;
import io.sails4j.ops.Ops;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Sequences that decode together by the same adapters. Every step has the same number of rows, whether a sequence stands there or none, so
 * that one sequence's token is computed by the same products however many are beside it; the attention runs for each sequence alone, over a
 * cache of its own that begins at its first token.
 */
final class DecodeGroup implements AutoCloseable {
    private final CausalModel model;
    private final AdapterStack adapters;
    private final boolean record;
    private final int capacity;
    private final StreamProbe.@Nullable Readings readings;
    private final DecodeLayers layers;
    private final TensorArena memory;
    private final DecodeBuffers buffers;
    private final Tensor uniform;
    private final @Nullable PromptCache[] caches;
    private final List<DecodeBuffers> sequences = new ArrayList<>();
    private final @Nullable GenerationOptions[] active;
    private final int[] ids;
    private final int[] positions;
    private final float[] uniforms;
    private @Nullable Graph graph;
    private @Nullable PromptCache nobody;

    /**
     * A group without sequences.
     *
     * @param edit is called by the host in each step, which is not recorded then
     * @param probe is part of the step, recorded or not
     * @param capacity of each cache; it is the same for all, since kernels may cut a cache into pieces by it
     */
    DecodeGroup(CausalModel model, AdapterStack adapters, @Nullable StreamEdit edit, @Nullable StreamProbe probe, Graphs graphs, int rows,
        int capacity) {
        ModelConfig config = model.config();
        this.model = model;
        this.adapters = adapters;
        this.capacity = capacity;
        this.caches = new @Nullable PromptCache[rows];
        this.record = DecodeSteps.records(graphs, model.engine(), edit);
        this.readings = probe == null ? null : probe.open(rows);
        this.layers = new DecodeLayers(model, adapters, StreamEdit.both(edit, readings));
        this.memory = new TensorArena(model.engine().device());
        this.active = new @Nullable GenerationOptions[rows];
        this.ids = new int[rows];
        this.positions = new int[rows];
        this.uniforms = new float[rows];
        Arrays.fill(ids, config.fillerId());
        try {
            this.buffers = DecodeBuffers.allocate(config, model.computeDtype(), rows, 1, true, memory);
            this.uniform = Objects.requireNonNull(buffers.uniform()).view(rows);
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

    /** Those of every sequence of the group. */
    AdapterStack adapters() {
        return adapters;
    }

    int rows() {
        return caches.length;
    }

    /** What stands in a row, or stood there last; null where nothing ever did. */
    @Nullable
    PromptCache cache(int row) {
        return caches[row];
    }

    /** From now on a row's keys and values are there; null takes them away from it. */
    void use(int row, @Nullable PromptCache cache) {
        if (caches[row] != cache) {
            caches[row] = cache;
            // A recording holds the places of all caches.
            forget();
        }
    }

    private void forget() {
        if (graph != null) {
            graph.close();
            graph = null;
        }
    }

    /** A sequence stands in a row from now on, whose prompt the row's cache holds. */
    void enter(int row, GenerationOptions options) {
        KvCache cache = Objects.requireNonNull(caches[row]).keysAndValues();
        cache.uploadSegments();
        positions[row] = cache.length();
        active[row] = options;
    }

    /** The token that the sequence of a row has got last, and the random number for the next. */
    void feed(int row, int id, float random) {
        ids[row] = id;
        uniforms[row] = random;
    }

    /** A sequence has ended. */
    void leave(int row) {
        active[row] = null;
        ids[row] = model.config().fillerId();
    }

    /** What was read of the rows in the latest step, null where nothing is. */
    StreamProbe.@Nullable Readings readings() {
        return readings;
    }

    /** Those that the latest token of a row was chosen by [1, vocab_size] F32, until the next step. */
    Tensor logits(int row) {
        return buffers.logits().rows(row, 1);
    }

    /** Whether no sequence stands in any row. */
    boolean idle() {
        return Arrays.stream(active).allMatch(Objects::isNull);
    }

    /** One more token of each sequence, by rows; what stands in a free row means nothing. */
    int[] step() {
        for (int row = 0; row < active.length; row++) {
            PromptCache cache = caches[row];
            if (active[row] == null) {
                // A recorded step writes for free rows too: behind what a cache still holds, where the next token of its prompt comes.
                positions[row] = cache == null ? 0 : cache.keysAndValues().length();
            }
        }
        buffers.ids().upload(ids);
        buffers.positions().upload(positions);
        uniform.upload(uniforms);
        if (graph != null) {
            graph.launch();
        } else {
            compute();
            // Having run once, a step finds all workspaces as large as it needs them.
            graph = record ? model.engine().record(this::compute) : null;
        }
        choose();
        if (readings != null) {
            readings.fetch();
        }
        for (int row = 0; row < active.length; row++) {
            positions[row] += active[row] == null ? 0 : 1;
        }
        return buffers.ids().toIntArray();
    }

    private void compute() {
        layers.run(buffers, this::attend);
    }

    /** The next tokens; neighbours that choose alike are one call. */
    private void choose() {
        int from = 0;
        for (int row = 0; row <= active.length; row++) {
            GenerationOptions first = active[from];
            if (first == null) {
                from = row;
            } else if (row == active.length || !choosesLike(first, active[row])) {
                model.engine().ops().sampling().sample(buffers.ids().rows(from, row - from), buffers.logits().rows(from, row - from),
                    uniform.rows(from, row - from), (float) first.temperature(), first.topK(), (float) first.topP());
                from = row;
            }
        }
    }

    private static boolean choosesLike(GenerationOptions one, @Nullable GenerationOptions other) {
        return other != null && one.temperature() == other.temperature() && one.topK() == other.topK() && one.topP() == other.topP();
    }

    /** A recording is launched for whatever sequences there are then, so that it holds all rows. */
    private void attend(Ops ops, DecodeBuffers b, int layer) {
        for (int row = 0; row < active.length; row++) {
            if (record || active[row] != null) {
                layers.attend(ops, layer, cacheOrNobodys(row), sequences.get(row), b.positions().rows(row, 1));
            }
        }
    }

    private KvCache cacheOrNobodys(int row) {
        PromptCache cache = caches[row];
        if (cache == null) {
            if (nobody == null) {
                nobody = PromptCache.empty(model, capacity, 1);
                nobody.keysAndValues().uploadSegments();
            }
            cache = nobody;
        }
        return cache.keysAndValues();
    }

    @Override
    public void close() {
        forget();
        Arrays.stream(caches).filter(Objects::nonNull).forEach(PromptCache::close);
        if (nobody != null) {
            nobody.close();
        }
        if (readings != null) {
            readings.close();
        }
        memory.close();
        layers.close();
    }
}
