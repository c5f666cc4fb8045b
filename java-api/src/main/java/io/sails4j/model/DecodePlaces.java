package io.sails4j.model;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Where sequences stand: rows of groups, and pages for their keys and values. What was read of prompts rests behind its sequence, for
 * others that begin alike, until its pages are needed.
 */
final class DecodePlaces implements AutoCloseable {
    private final BatchOptions batch;
    private final int chunk;
    private final BiFunction<PagePool, @Nullable AdapterStack, DecodeGroup> open;
    private final PagePool pool;
    private final List<DecodeGroup> groups = new ArrayList<>();
    private final Set<Row> taken = new HashSet<>();
    private final List<PromptCache> running = new ArrayList<>();
    /** The one that rests longest is the first. */
    private final List<PromptCache> resting = new ArrayList<>();

    private record Row(DecodeGroup group, int row) {
    }

    /** A row of a group, and the keys and values of the sequence there. */
    record Place(DecodeGroup group, int row, PromptCache cache) {
        private Row where() {
            return new Row(group, row);
        }
    }

    /** How a prompt can begin: with so many tokens of a cache, null for none. */
    private record Beginning(@Nullable PromptCache cache, int tokens) {
    }

    /**
     * Places that nobody has taken.
     *
     * @param chunk tokens of a prompt that are read at a time
     * @param open makes a group whose rows all have some adapters, or each its own where that is null
     */
    DecodePlaces(CausalModel model, BatchOptions batch, int chunk, BiFunction<PagePool, @Nullable AdapterStack, DecodeGroup> open) {
        this.batch = batch;
        this.chunk = chunk;
        this.open = open;
        this.pool = new PagePool(model, batch.cachePages(), this::forgetOldest);
    }

    List<DecodeGroup> groups() {
        return groups;
    }

    PagePool pool() {
        return pool;
    }

    /** Whether there are pages for a sequence of so many tokens, as long as it may become. */
    boolean fits(int[] prompt, AdapterStack adapters, int most) {
        return pool.fits(newPages(best(prompt, adapters), most));
    }

    private static int newPages(Beginning beginning, int most) {
        return beginning.cache() == null ? PagePool.pagesOf(most)
            : beginning.cache().keysAndValues().newPages(beginning.tokens(), most);
    }

    /** A place whose cache holds as much of a prompt as any of the same adapters does. There must be room. */
    Place take(int[] prompt, AdapterStack adapters, int most) {
        Beginning best = best(prompt, adapters);
        if (!pool.fits(newPages(best, most))) {
            throw new IllegalStateException("a sequence of " + most + " tokens has no room beside the others");
        }
        Row where = row(adapters);
        PromptCache cache = new PromptCache(adapters, new PagedCache(pool), chunk);
        try {
            cache.begin(best.cache(), best.tokens(), most);
        } catch (RuntimeException | Error e) {
            cache.drop();
            throw e;
        }
        taken.add(where);
        running.add(cache);
        return new Place(where.group(), where.row(), cache);
    }

    /** Another place, where other adapters may stand, with the same cache, which from now on is no other prompt's. */
    Place move(Place from, AdapterStack adapters) {
        from.group().leave(from.row());
        // It stands nowhere while a place is looked for: its group may be idle now.
        taken.remove(from.where());
        Row where = row(adapters);
        taken.add(where);
        from.cache().mix();
        return new Place(where.group(), where.row(), from.cache());
    }

    /** A place is left; its cache keeps what another prompt may share. */
    void leave(Place place) {
        place.group().leave(place.row());
        taken.remove(place.where());
        PromptCache cache = place.cache();
        running.remove(cache);
        cache.rest();
        if (cache.tokens() == 0 || Stream.concat(running.stream(), resting.stream()).anyMatch(cache::isWithin)) {
            cache.drop();
            return;
        }
        resting.removeIf(other -> {
            boolean within = other.isWithin(cache);
            if (within) {
                other.drop();
            }
            return within;
        });
        resting.add(cache);
    }

    private void forgetOldest() {
        if (resting.isEmpty()) {
            throw new IllegalStateException("sequences take more pages than they have promised");
        }
        resting.removeFirst().drop();
    }

    /** A free row for such adapters, in a group that is there or a new one. */
    private Row row(AdapterStack adapters) {
        Optional<Row> free = groups.stream().filter(group -> group.takes(adapters)).flatMap(this::freeRows).findFirst();
        if (free.isPresent()) {
            return free.get();
        }
        if (groups.size() >= batch.sequences()) {
            // Every sequence may have a group of its own, so that one of these has none.
            DecodeGroup idle = groups.stream().filter(group -> taken.stream().noneMatch(row -> row.group() == group)).findFirst()
                .orElseThrow();
            groups.remove(idle);
            idle.close();
        }
        DecodeGroup group = open.apply(pool, RowMaps.takes(adapters) ? null : adapters);
        groups.add(group);
        return new Row(group, 0);
    }

    private Stream<Row> freeRows(DecodeGroup group) {
        return IntStream.range(0, group.rows()).mapToObj(row -> new Row(group, row)).filter(row -> !taken.contains(row));
    }

    /** The cache that holds most of a prompt, as the same adapters read it. */
    private Beginning best(int[] prompt, AdapterStack adapters) {
        return Stream.concat(running.stream(), resting.stream()).map(cache -> new Beginning(cache, cache.shared(prompt, adapters)))
            .filter(beginning -> beginning.tokens() > 0).max(Comparator.comparingInt(Beginning::tokens)).orElse(new Beginning(null, 0));
    }

    @Override
    public void close() {
        groups.forEach(DecodeGroup::close);
        groups.clear();
        pool.close();
    }
}
