package io.sails4j.model;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Where sequences stand: rows of groups by their adapters, with their caches. Caches outlive their sequences, and there are never more than
 * sequences may be under way.
 */
final class DecodePlaces implements AutoCloseable {
    private final CausalModel model;
    private final BatchOptions batch;
    private final int chunk;
    private final Function<AdapterStack, DecodeGroup> open;
    private final List<DecodeGroup> groups = new ArrayList<>();
    private final Set<Place> taken = new HashSet<>();
    private int caches;
    private long clock;

    /** A row of a group; one that is taken has a cache. */
    record Place(DecodeGroup group, int row) {
        PromptCache cache() {
            return Objects.requireNonNull(group.cache(row), "a place that is taken has a cache");
        }
    }

    /**
     * Places that nobody has taken.
     *
     * @param chunk tokens of a prompt that are read at a time
     * @param open makes a group by some adapters
     */
    DecodePlaces(CausalModel model, BatchOptions batch, int chunk, Function<AdapterStack, DecodeGroup> open) {
        this.model = model;
        this.batch = batch;
        this.chunk = chunk;
        this.open = open;
    }

    List<DecodeGroup> groups() {
        return groups;
    }

    /** A place whose cache holds as much of a prompt as any of the same adapters does. There must be room. */
    Place take(int[] prompt, AdapterStack adapters) {
        DecodeGroup group = group(adapters);
        PromptCache best = best(prompt, adapters);
        int shared = best == null ? 0 : best.shared(prompt);
        int row = row(group, shared == 0 ? null : best);
        PromptCache cache = cacheOf(group, row);
        if (best != null && cache != best) {
            cache.copy(best, shared);
        } else {
            cache.keep(shared);
        }
        return taken(new Place(group, row));
    }

    private Place taken(Place place) {
        taken.add(place);
        return place;
    }

    /** Another place, by other adapters, with the same cache, which from now on is no other prompt's. */
    Place move(Place from, AdapterStack adapters) {
        PromptCache cache = from.cache();
        from.group().leave(from.row());
        from.group().use(from.row(), null);
        // It stands nowhere while a place is looked for: its group may be idle now.
        taken.remove(from);
        DecodeGroup group = group(adapters);
        int row = freeRows(group).boxed().min(Comparator.comparingLong(free -> {
            PromptCache other = group.cache(free);
            return other == null ? -1 : other.used();
        })).orElseThrow();
        PromptCache there = group.cache(row);
        cache.holdsNothing();
        group.use(row, cache);
        if (there != null) {
            there.close();
            caches--;
        }
        return taken(new Place(group, row));
    }

    /** A place is left; its cache keeps what another prompt may share. */
    void leave(Place place) {
        place.group().leave(place.row());
        PromptCache cache = place.cache();
        cache.rest();
        cache.usedAt(++clock);
        taken.remove(place);
    }

    /** One by the same adapters with a free row, or a new one. */
    private DecodeGroup group(AdapterStack adapters) {
        for (DecodeGroup group : groups) {
            if (group.adapters().equals(adapters) && freeRows(group).findAny().isPresent()) {
                return group;
            }
        }
        if (groups.size() >= batch.sequences()) {
            // Every sequence may have adapters of its own, so that one of these has none.
            DecodeGroup idle = groups.stream().filter(g -> taken.stream().noneMatch(place -> place.group == g)).findFirst().orElseThrow();
            groups.remove(idle);
            caches -= (int) IntStream.range(0, idle.rows()).filter(row -> idle.cache(row) != null).count();
            idle.close();
        }
        DecodeGroup group = open.apply(adapters);
        groups.add(group);
        return group;
    }

    private IntStream freeRows(DecodeGroup group) {
        return IntStream.range(0, group.rows()).filter(row -> !taken.contains(new Place(group, row)));
    }

    /** The cache that holds most of a prompt, as the same adapters read it. */
    private @Nullable PromptCache best(int[] prompt, AdapterStack adapters) {
        return groups.stream().filter(group -> group.adapters().equals(adapters))
            .flatMap(group -> IntStream.range(0, group.rows()).mapToObj(group::cache)).filter(Objects::nonNull)
            .max(Comparator.comparingInt((PromptCache cache) -> cache.shared(prompt)).thenComparingLong(PromptCache::used)).orElse(null);
    }

    /** A free row: that of the wanted cache, else one without a cache while more may be made, else the one that was left longest ago. */
    private int row(DecodeGroup group, @Nullable PromptCache wanted) {
        boolean more = caches < batch.sequences();
        return freeRows(group).boxed().min(Comparator.comparingLong(row -> {
            PromptCache cache = group.cache(row);
            if (cache == null) {
                return more ? -1 : Long.MAX_VALUE;
            }
            return cache == wanted ? -2 : cache.used();
        })).orElseThrow();
    }

    /** That of a row; where it has none a new one, or, where there are as many as may be, one that stands idle elsewhere. */
    private PromptCache cacheOf(DecodeGroup group, int row) {
        PromptCache cache = group.cache(row);
        if (cache == null && caches < batch.sequences()) {
            cache = PromptCache.empty(model, batch.capacity(), chunk);
            caches++;
        }
        if (cache == null) {
            DecodeGroup from = null;
            int place = 0;
            for (DecodeGroup other : groups) {
                for (int free : freeRows(other).toArray()) {
                    PromptCache idle = other.cache(free);
                    if (idle != null && (cache == null || idle.used() < cache.used())) {
                        cache = idle;
                        from = other;
                        place = free;
                    }
                }
            }
            Objects.requireNonNull(from, "fewer caches stand idle than there is room").use(place, null);
        }
        group.use(row, Objects.requireNonNull(cache));
        return cache;
    }

    @Override
    public void close() {
        groups.forEach(DecodeGroup::close);
        groups.clear();
    }
}
