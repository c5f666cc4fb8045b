package io.sails4j.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Keys and values of one sequence, and of which tokens they are: as far as a prompt was read in whole chunks, another prompt that begins
 * alike finds the same bits, and what a probe has read of them. It outlives its sequence as a prefix at rest.
 */
final class PromptCache {
    private final AdapterStack adapters;
    private final PagedCache keysAndValues;
    private final int chunk;
    private final List<StreamProbe.Readings> readings = new ArrayList<>();
    private int[] read = new int[0];
    private boolean mixed;

    /**
     * An empty one.
     *
     * @param adapters that the tokens are read by
     * @param chunk tokens of a prompt that are read at a time
     */
    PromptCache(AdapterStack adapters, PagedCache keysAndValues, int chunk) {
        this.adapters = adapters;
        this.keysAndValues = keysAndValues;
        this.chunk = chunk;
    }

    PagedCache keysAndValues() {
        return keysAndValues;
    }

    /**
     * Of so many first tokens the keys and values are there, read in whole chunks.
     *
     * @param latest what was read of the last chunk of them, null where nothing is
     */
    void holds(int[] prompt, int tokens, StreamProbe.@Nullable Readings latest) {
        if (mixed) {
            return;
        }
        read = Arrays.copyOf(prompt, tokens);
        if (latest != null) {
            readings.add(latest);
        }
    }

    /** What was read of the chunks that are held, in their order; empty where nothing is read. */
    List<StreamProbe.Readings> readings() {
        return readings;
    }

    /** From now on the keys and values are one sequence's alone, since other adapters have a part in them. */
    void mix() {
        mixed = true;
        read = new int[0];
        readings.clear();
    }

    /** How many first tokens of a prompt are held. */
    int tokens() {
        return read.length;
    }

    /** How many whole chunks' tokens a prompt shares with what is held; one token at least is left to be read, for the logits behind it. */
    int shared(int[] prompt, AdapterStack by) {
        if (mixed || !adapters.equals(by)) {
            return 0;
        }
        int most = Math.min(read.length, prompt.length - 1);
        int differs = Arrays.mismatch(read, 0, most, prompt, 0, most);
        return (differs < 0 ? most : differs) / chunk * chunk;
    }

    /** Whether all that is held is the beginning of what another holds. */
    boolean isWithin(PromptCache other) {
        return adapters.equals(other.adapters) && read.length <= other.read.length
            && Arrays.equals(read, 0, read.length, other.read, 0, read.length);
    }

    /**
     * Holds the first tokens that another holds; null: none.
     *
     * @param most tokens that the sequence may come to have
     */
    void begin(@Nullable PromptCache other, int tokens, int most) {
        if (other == null) {
            keysAndValues.begin(most);
            return;
        }
        keysAndValues.begin(other.keysAndValues, tokens, most);
        read = Arrays.copyOf(other.read, tokens);
        readings.addAll(other.readings.subList(0, Math.min(other.readings.size(), tokens / chunk)));
    }

    /** Nobody needs it any more. */
    void drop() {
        keysAndValues.rest(0);
    }

    /** The sequence is gone: what was read as a prompt rests. */
    void rest() {
        keysAndValues.rest(read.length);
    }
}
