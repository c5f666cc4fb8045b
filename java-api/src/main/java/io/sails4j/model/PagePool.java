package io.sails4j.model;

import io.sails4j.config.ModelConfig;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Pages of keys and values that all sequences of a decoder share. A page has the same number in all layers, so that a sequence has one
 * table of pages; in each layer it is {@link BatchOptions#PAGE_TOKENS} rows of one tensor. A page has holders: sequences under way, and
 * prefixes that were read and rest. It is free where it has none.
 *
 * <p>Memory grows with the pages that are held, up to a bound. Sequences under way promise how many pages they may still take; who adds one
 * asks {@link #fits} first, and then no sequence ever waits for a page of another.
 */
final class PagePool implements AutoCloseable {
    static final int PAGE_TOKENS = BatchOptions.PAGE_TOKENS;
    private static final int FIRST_PAGES = 4;

    private final CausalModel model;
    private final ModelConfig config;
    private final DType dtype;
    private final int most;
    private final Runnable forgetOldest;
    private final List<Tensor> keys = new ArrayList<>();
    private final List<Tensor> values = new ArrayList<>();
    private final TensorArena passMemory;
    private final BitSet held = new BitSet();
    private final BitSet inUse = new BitSet();
    private int[] holders = new int[0];
    private int[] runners = new int[0];
    private int pages;
    private int promised;
    private int moved;

    /**
     * A pool without pages.
     *
     * @param most pages there ever are
     * @param forgetOldest frees the prefix that rests longest; there is one whenever it is called
     */
    PagePool(CausalModel model, int most, Runnable forgetOldest) {
        this.model = model;
        this.config = model.config();
        this.dtype = model.computeDtype();
        this.most = most;
        this.forgetOldest = forgetOldest;
        this.passMemory = new TensorArena(model.engine().device());
    }

    /** Pages that so many tokens of one sequence take. */
    static int pagesOf(int tokens) {
        return Math.ceilDiv(tokens, PAGE_TOKENS);
    }

    /** Elements of a token's keys. */
    long rowWidth() {
        return config.kvWidth();
    }

    /** Whether a sequence may take so many pages more beside what the others may. */
    boolean fits(int more) {
        return (long) inUse.cardinality() + promised + more <= most;
    }

    /** Of the pages that {@link #fits} counts, so many are a sequence's to take; negative: no more. */
    void promise(int more) {
        promised += more;
    }

    /** A page for one sequence under way, which has promised it. */
    int take() {
        while (held.cardinality() == pages && !mayGrow()) {
            forgetOldest.run();
        }
        if (held.cardinality() == pages) {
            grow();
        }
        int page = held.nextClearBit(0);
        share(page);
        promised--;
        return page;
    }

    /** Prefixes at rest give their pages away before they are most of the memory. */
    private boolean mayGrow() {
        return pages < most && (held.cardinality() - inUse.cardinality()) * 2 <= pages;
    }

    /** Another sequence under way holds a page. */
    void share(int page) {
        held.set(page);
        inUse.set(page);
        holders[page]++;
        runners[page]++;
    }

    /** A sequence under way holds a page no more, but as a prefix at rest. */
    void rest(int page) {
        runners[page]--;
        inUse.set(page, runners[page] > 0);
    }

    /** Someone at rest holds a page no more. */
    void release(int page) {
        holders[page]--;
        held.set(page, holders[page] > 0);
    }

    /** How many of those pages no sequence under way uses. */
    int resting(int[] pages, int count) {
        return (int) Arrays.stream(pages, 0, count).filter(page -> !inUse.get(page)).count();
    }

    /** Whether somebody beside one holds the page: then nobody writes to it. */
    boolean isShared(int page) {
        return holders[page] > 1;
    }

    /** Copies a page's first tokens in all layers. */
    void copy(int to, int from, int tokens) {
        for (int layer = 0; layer < keys.size(); layer++) {
            rows(keys.get(layer), to, 0, tokens).copyFrom(rows(keys.get(layer), from, 0, tokens));
            rows(values.get(layer), to, 0, tokens).copyFrom(rows(values.get(layer), from, 0, tokens));
        }
    }

    /** Tokens of a page [tokens, kv_width]. */
    private Tensor rows(Tensor all, int page, int first, int tokens) {
        return all.view(all.dim(0) * PAGE_TOKENS, config.kvWidth()).rows((long) page * PAGE_TOKENS + first, tokens);
    }

    /** Writes keys and values [tokens, kv_width] of a layer to places of a page that is nobody else's. */
    void write(int layer, int page, int first, Tensor k, Tensor v) {
        int tokens = (int) k.dim(0);
        rows(keys.get(layer), page, first, tokens).copyFrom(k);
        rows(values.get(layer), page, first, tokens).copyFrom(v);
    }

    /** Of a layer [n_pages, page_tokens, n_kv_heads, head_dim]. */
    Tensor keys(int layer) {
        return keys.get(layer);
    }

    Tensor values(int layer) {
        return values.get(layer);
    }

    /**
     * The keys or values of a layer as one sequence has them [n * page_tokens, kv_width]: where its pages lie, or copied together.
     *
     * @param all of the layer
     * @param table the sequence's pages
     * @param deviceTable the same on the device [n] I32
     */
    Tensor inOrder(Tensor all, int[] table, Tensor deviceTable) {
        int n = (int) deviceTable.numel();
        if (IntStream.range(1, n).allMatch(i -> table[i] == table[0] + i)) {
            return rows(all, table[0], 0, n * PAGE_TOKENS);
        }
        long width = PAGE_TOKENS * config.kvWidth();
        Tensor copy = passMemory.allocate(dtype, n, width);
        model.engine().ops().elementwise().gatherRows(copy, all.view(all.dim(0), width), deviceTable);
        return copy.view((long) n * PAGE_TOKENS, config.kvWidth());
    }

    /** Memory for what a pass needs besides, of one sequence at a time. */
    TensorArena passMemory() {
        return passMemory;
    }

    /** How often pages have moved: addresses from before are no more. */
    int moved() {
        return moved;
    }

    /** Pages that somebody holds. */
    int heldPages() {
        return held.cardinality();
    }

    /** Pages that sequences under way hold. */
    int usedPages() {
        return inUse.cardinality();
    }

    /** Pages that memory is there for. */
    int pages() {
        return pages;
    }

    /** Twice as many pages, or as many as may be. A layer at a time, so that only one is there twice. */
    private void grow() {
        int more = Math.min(most, Math.max(FIRST_PAGES, 2 * pages));
        moved++;
        for (int layer = 0; layer < config.nLayers(); layer++) {
            larger(keys, layer, more);
            larger(values, layer, more);
        }
        holders = Arrays.copyOf(holders, more);
        runners = Arrays.copyOf(runners, more);
        pages = more;
    }

    /** Where memory runs out on the way, the layers that have grown already are as good as before. */
    private void larger(List<Tensor> tensors, int layer, int more) {
        Tensor larger = model.engine().device().allocate(dtype, Shape.of(more, PAGE_TOKENS, config.nKvHeads(), config.headDim()));
        if (layer == tensors.size()) {
            tensors.add(larger);
            return;
        }
        try (Tensor old = tensors.set(layer, larger)) {
            larger.view(more, PAGE_TOKENS * config.kvWidth()).rows(0, old.dim(0)).copyFrom(old.view(old.dim(0),
                PAGE_TOKENS * config.kvWidth()));
        }
    }

    @Override
    public void close() {
        keys.forEach(Tensor::close);
        values.forEach(Tensor::close);
        passMemory.close();
    }
}
