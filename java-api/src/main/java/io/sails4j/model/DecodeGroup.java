package io.sails4j.model;

import io.sails4j.config.ModelConfig;
import io.sails4j.ops.Graph;
import io.sails4j.ops.Graphs;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Sequences that decode together, each row by its adapters. Every step has the same number of rows, whether a sequence stands there or
 * none, so that one sequence's token is computed by the same products however many are beside it; the attention of a row runs over its
 * sequence's pages alone.
 */
final class DecodeGroup implements AutoCloseable {
    private final CausalModel model;
    private final PagePool pool;
    private final @Nullable AdapterStack only;
    private final boolean record;
    private final StreamProbe.@Nullable Readings readings;
    private final DecodeLayers layers;
    private final TensorArena memory;
    private final DecodeBuffers buffers;
    private final RowMaps maps;
    private final Tensor uniform;
    private final Tensor places;
    private final Tensor pageTable;
    private final @Nullable PagedCache[] caches;
    private final @Nullable GenerationOptions[] active;
    private final int[] ids;
    private final int[] pages;
    private final int tablePages;
    private final float[] uniforms;
    private boolean pagesChanged = true;
    private @Nullable Graph graph;
    private int recordedAt;

    /**
     * A group without sequences.
     *
     * @param only adapters that all its sequences have, which are part of the products; null: each row has its own
     * @param edit is called by the host in each step, which is not recorded then
     * @param probe is part of the step, recorded or not
     * @param capacity tokens of the longest sequence; it is the same for all, since kernels may cut their work into pieces by it
     */
    DecodeGroup(CausalModel model, PagePool pool, @Nullable AdapterStack only, @Nullable StreamEdit edit, @Nullable StreamProbe probe,
        Graphs graphs, int rows, int capacity) {
        ModelConfig config = model.config();
        this.model = model;
        this.pool = pool;
        this.only = only;
        this.tablePages = PagePool.pagesOf(capacity);
        this.caches = new @Nullable PagedCache[rows];
        this.record = DecodeSteps.records(graphs, model.engine(), edit);
        this.readings = probe == null ? null : probe.open(rows);
        this.memory = new TensorArena(model.engine().device());
        this.active = new @Nullable GenerationOptions[rows];
        this.ids = new int[rows];
        this.pages = new int[rows * tablePages];
        this.uniforms = new float[rows];
        Arrays.fill(ids, config.fillerId());
        try {
            this.maps = new RowMaps(rows, memory);
            this.layers = new DecodeLayers(model, only == null ? maps : new OneStackMaps(only), StreamEdit.both(edit, readings));
            this.buffers = DecodeBuffers.allocate(config, model.computeDtype(), rows, 1, true, memory);
            this.uniform = Objects.requireNonNull(buffers.uniform()).view(rows);
            this.places = memory.allocate(DType.I32, rows);
            this.pageTable = memory.allocate(DType.I32, rows, tablePages);
        } catch (RuntimeException | Error e) {
            memory.close();
            if (readings != null) {
                readings.close();
            }
            throw e;
        }
    }

    /** Whether its rows may have these adapters. */
    boolean takes(AdapterStack adapters) {
        return only == null ? RowMaps.takes(adapters) : only.equals(adapters);
    }

    int rows() {
        return active.length;
    }

    private void forget() {
        if (graph != null) {
            graph.close();
            graph = null;
        }
    }

    /** A sequence whose prompt the cache holds stands in a row from now on. */
    void enter(int row, PagedCache cache, AdapterStack adapters, GenerationOptions options) {
        caches[row] = cache;
        active[row] = options;
        if (maps.use(row, only == null ? adapters : null)) {
            forget();
        }
        for (int i = 0; i < cache.count(); i++) {
            pages[row * tablePages + i] = cache.page(i);
        }
        pagesChanged = true;
    }

    /** The token that the sequence of a row has got last, and the random number for the next. */
    void feed(int row, int id, float random) {
        ids[row] = id;
        uniforms[row] = random;
    }

    /** A sequence has ended. */
    void leave(int row) {
        active[row] = null;
        caches[row] = null;
        maps.use(row, null);
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
        int[] positions = new int[active.length];
        int[] standing = new int[active.length];
        for (int row = 0; row < active.length; row++) {
            PagedCache cache = caches[row];
            standing[row] = cache == null ? -1 : cache.length();
            positions[row] = Math.max(0, standing[row]);
            if (cache != null) {
                reserve(row, cache);
            }
        }
        buffers.ids().upload(ids);
        buffers.positions().upload(positions);
        places.upload(standing);
        uniform.upload(uniforms);
        maps.upload();
        if (pagesChanged) {
            pageTable.upload(pages);
            pagesChanged = false;
        }
        run();
        choose();
        if (readings != null) {
            readings.fetch();
        }
        Arrays.stream(caches).filter(Objects::nonNull).forEach(PagedCache::grew);
        return buffers.ids().toIntArray();
    }

    /** The next token has a place. */
    private void reserve(int row, PagedCache cache) {
        int before = cache.count();
        cache.reserve(cache.length() + 1);
        if (cache.count() > before) {
            pages[row * tablePages + before] = cache.page(before);
            pagesChanged = true;
        }
    }

    private void run() {
        if (graph != null && recordedAt == pool.moved()) {
            graph.launch();
            return;
        }
        forget();
        compute();
        if (record) {
            // Having run once, a step finds all workspaces as large as it needs them.
            graph = model.engine().record(this::compute);
            recordedAt = pool.moved();
        }
    }

    private void compute() {
        layers.run(buffers, (ops, b, layer) -> layers.attend(ops, layer, pool, b, places, pageTable));
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

    @Override
    public void close() {
        forget();
        if (readings != null) {
            readings.close();
        }
        memory.close();
        layers.close();
    }
}
