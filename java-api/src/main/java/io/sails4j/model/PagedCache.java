package io.sails4j.model;

import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Keys and values of one sequence's tokens, in pages of a pool. Pages that its first tokens share with others are read by all of them; a
 * token is written only where the page is this sequence's alone.
 */
final class PagedCache extends PassCache {
    private final PagePool pool;
    private int[] pages = new int[4];
    private int count;
    private int length;
    private int promised;
    private boolean rests;
    private @Nullable Pass pass;

    PagedCache(PagePool pool) {
        this.pool = pool;
    }

    /**
     * What a pass over new tokens needs besides, until the next one.
     *
     * @param keySegments all 1 [1, length with the new tokens] I32
     * @param table the pages [n] I32
     * @param begun the pool's memory with these two in it
     */
    private record Pass(Tensor keySegments, Tensor table, TensorArena.Mark begun) {
    }

    /** An empty cache promises to take no more pages than so many tokens need. */
    void begin(int most) {
        promised = PagePool.pagesOf(most);
        pool.promise(promised);
    }

    /**
     * An empty cache begins with another's first tokens: it shares the pages that they fill, and the last one is copied where they fill it
     * in part, since the next token is written there.
     *
     * @param most tokens that this sequence may come to have; it promises to take no more pages than they need
     */
    void begin(PagedCache other, int tokens, int most) {
        int whole = tokens / PagePool.PAGE_TOKENS;
        promised = PagePool.pagesOf(most) - whole;
        pool.promise(promised);
        for (int i = 0; i < whole; i++) {
            pool.share(other.pages[i]);
            add(other.pages[i]);
        }
        length = tokens;
        if (tokens % PagePool.PAGE_TOKENS > 0) {
            // The other may be forgotten for the page that is taken: its own is then free, and still holds what it held.
            int from = other.pages[whole];
            reserve(tokens);
            if (pages[whole] != from) {
                pool.copy(pages[whole], from, tokens % PagePool.PAGE_TOKENS);
            }
        }
    }

    /** Pages that a sequence needs which begins with so many tokens of this one: its own, and shared ones that only rest now. */
    int newPages(int shared, int most) {
        int whole = shared / PagePool.PAGE_TOKENS;
        return PagePool.pagesOf(most) - whole + pool.resting(pages, whole);
    }

    private void add(int page) {
        if (count == pages.length) {
            pages = Arrays.copyOf(pages, 2 * count);
        }
        pages[count++] = page;
    }

    /** Takes pages until so many tokens have room. */
    void reserve(int tokens) {
        while (count * PagePool.PAGE_TOKENS < tokens) {
            int page = pool.take();
            promised--;
            add(page);
        }
    }

    /** The sequence is no more under way: its first tokens rest, and the pages behind them are given back. */
    void rest(int tokens) {
        pool.promise(-promised);
        promised = 0;
        length = tokens;
        for (int i = 0; i < count && !rests; i++) {
            pool.rest(pages[i]);
        }
        rests = true;
        while (count > PagePool.pagesOf(tokens)) {
            pool.release(pages[--count]);
        }
    }

    /** Its pages. */
    int count() {
        return count;
    }

    int page(int index) {
        return pages[index];
    }

    @Override
    public int length() {
        return length;
    }

    /** A token more stands in the pages. */
    void grew() {
        length++;
    }

    @Override
    void begin(TokenBatch tokens) {
        int total = length + tokens.length();
        reserve(total);
        int[] ones = new int[total];
        Arrays.fill(ones, 1);
        TensorArena memory = pool.passMemory();
        memory.reset();
        Tensor keySegments = memory.of(ones, 1, total);
        Tensor table = memory.of(Arrays.copyOf(pages, count), count);
        pass = new Pass(keySegments, table, memory.mark());
    }

    @Override
    void append(int layer, Tensor k, Tensor v) {
        int tokens = (int) k.dim(0);
        for (int at = 0, n; at < tokens; at += n) {
            int first = (length + at) % PagePool.PAGE_TOKENS;
            int page = pages[(length + at) / PagePool.PAGE_TOKENS];
            n = Math.min(tokens - at, PagePool.PAGE_TOKENS - first);
            if (pool.isShared(page)) {
                throw new IllegalStateException("page " + page + " is shared, and a token is written there");
            }
            pool.write(layer, page, first, k.rows(at, n), v.rows(at, n));
        }
    }

    /** A pass asks for keys first. */
    @Override
    Tensor keys(int layer) {
        pool.passMemory().release(pass().begun());
        return pool.inOrder(pool.keys(layer), pages, pass().table());
    }

    @Override
    Tensor values(int layer) {
        return pool.inOrder(pool.values(layer), pages, pass().table());
    }

    @Override
    Tensor keySegments() {
        return pass().keySegments();
    }

    private Pass pass() {
        return Objects.requireNonNull(pass, "a pass begins first");
    }

    /** There is one sequence. */
    @Override
    long batchStride() {
        return keySegments().numel() * pool.rowWidth();
    }

    @Override
    void commit(TokenBatch tokens) {
        length += tokens.length();
    }
}
