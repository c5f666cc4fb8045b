package io.sails4j.model;

import java.util.Arrays;

/**
 * Keys and values of one sequence, and of which tokens they are: as far as a prompt was read in whole chunks, another prompt that begins
 * alike finds the same bits.
 */
final class PromptCache implements AutoCloseable {
    private final KvCache keysAndValues;
    private int[] read = new int[0];
    private long used;

    private PromptCache(KvCache keysAndValues) {
        this.keysAndValues = keysAndValues;
    }

    static PromptCache empty(CausalModel model, int capacity) {
        return new PromptCache(new KvCache(model.config(), model.computeDtype(), model.engine().device(), 1, capacity));
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

    /** Of so many first tokens the keys and values are there, read in whole chunks. */
    void holds(int[] prompt, int tokens) {
        read = Arrays.copyOf(prompt, tokens);
    }

    /** How many whole chunks' tokens a prompt shares with what is held; one token at least is left to be read, for the logits behind it. */
    int shared(int[] prompt, int chunk) {
        int most = Math.min(read.length, prompt.length - 1);
        int differs = Arrays.mismatch(read, 0, most, prompt, 0, most);
        return (differs < 0 ? most : differs) / chunk * chunk;
    }

    /** Keeps the first tokens alone. */
    void keep(int tokens) {
        keysAndValues.truncate(tokens);
        read = Arrays.copyOf(read, tokens);
    }

    /** Holds the first tokens that another holds. */
    void copy(PromptCache other, int tokens) {
        keysAndValues.copyFirst(other.keysAndValues, tokens);
        read = Arrays.copyOf(other.read, tokens);
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
