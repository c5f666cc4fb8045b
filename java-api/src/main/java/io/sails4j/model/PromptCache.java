package io.sails4j.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Keys and values of one sequence, and of which tokens they are: as far as a prompt was read in whole chunks, another prompt that begins
 * alike finds the same bits, and what a probe has read of them.
 */
final class PromptCache implements AutoCloseable {
    private final KvCache keysAndValues;
    private final int chunk;
    private final List<StreamProbe.Readings> readings = new ArrayList<>();
    private int[] read = new int[0];
    private long used;

    private PromptCache(KvCache keysAndValues, int chunk) {
        this.keysAndValues = keysAndValues;
        this.chunk = chunk;
    }

    /** @param chunk tokens of a prompt that are read at a time */
    static PromptCache empty(CausalModel model, int capacity, int chunk) {
        return new PromptCache(new KvCache(model.config(), model.computeDtype(), model.engine().device(), 1, capacity), chunk);
    }

    KvCache keysAndValues() {
        return keysAndValues;
    }

    /** When a sequence stood here last: a number that rises. */
    long used() {
        return used;
    }

    void usedAt(long time) {
        used = time;
    }

    /**
     * Of so many first tokens the keys and values are there, read in whole chunks.
     *
     * @param latest what was read of the last chunk of them, null where nothing is
     */
    void holds(int[] prompt, int tokens, StreamProbe.@Nullable Readings latest) {
        read = Arrays.copyOf(prompt, tokens);
        if (latest != null) {
            readings.add(latest);
        }
    }

    /** What was read of the chunks that are held, in their order; empty where nothing is read. */
    List<StreamProbe.Readings> readings() {
        return readings;
    }

    /** From now on the keys and values are one sequence's alone. */
    void holdsNothing() {
        read = new int[0];
        readings.clear();
    }

    /** How many first tokens of a prompt are held. */
    int tokens() {
        return read.length;
    }

    /** How many whole chunks' tokens a prompt shares with what is held; one token at least is left to be read, for the logits behind it. */
    int shared(int[] prompt) {
        int most = Math.min(read.length, prompt.length - 1);
        int differs = Arrays.mismatch(read, 0, most, prompt, 0, most);
        return (differs < 0 ? most : differs) / chunk * chunk;
    }

    /** Keeps the first tokens alone. */
    void keep(int tokens) {
        keysAndValues.truncate(tokens);
        read = Arrays.copyOf(read, tokens);
        takeOver(List.copyOf(readings));
    }

    private void takeOver(List<StreamProbe.Readings> those) {
        readings.clear();
        readings.addAll(those.subList(0, Math.min(those.size(), read.length / chunk)));
    }

    /** Holds the first tokens that another holds. */
    void copy(PromptCache other, int tokens) {
        keysAndValues.copyFirst(other.keysAndValues, tokens);
        read = Arrays.copyOf(other.read, tokens);
        takeOver(other.readings);
    }

    /** Forgets the tokens that were not read as a prompt. */
    void rest() {
        keysAndValues.truncate(read.length);
    }

    @Override
    public void close() {
        keysAndValues.close();
    }
}
