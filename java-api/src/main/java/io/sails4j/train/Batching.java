package io.sails4j.train;

import io.sails4j.InputException;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;
import java.util.function.Consumer;

/** How examples become steps and micro-batches. */
@OptionGroup("Batches")
public record Batching(
    @Described(value = "passes over the data", label = "N") int epochs,
    @Described(value = "stop after N optimizer steps, 0 = by epochs alone", label = "N") long maxSteps,
    @Described(value = "real tokens of an optimizer step", label = "N", usedWith = "objective=sft|dpo|ipo|orpo") int batchTokens,
    @Described(value = "positions, padding included, that go through the model at once; memory grows with it",
        label = "N") int microBatchTokens,
    @Described("put several sequences into one row; attention stays within each") boolean packing) {

    public Batching {
        InputException.requireOption(epochs >= 1, "epochs", epochs, "1 or more");
        InputException.requireOption(maxSteps >= 0, "max_steps", maxSteps, "0 (no limit) or more");
        InputException.requireOption(batchTokens >= 1, "batch_tokens", batchTokens, "1 or more");
        InputException.requireOption(microBatchTokens >= 1, "micro_batch_tokens", microBatchTokens, "1 or more");
    }

    /** One epoch in steps of 8192 tokens and micro-batches of 2048 positions. */
    public static Batching defaults() {
        return new Batching(1, 0, 8192, 2048, false);
    }

    /** Other batches: {@code change} gets a builder that has these. */
    public Batching with(Consumer<Builder> change) {
        Builder builder = new Builder(this);
        change.accept(builder);
        return new Batching(builder.epochs, builder.maxSteps, builder.batchTokens, builder.microBatchTokens, builder.packing);
    }

    /** The components, to be changed. */
    public static final class Builder {
        public int epochs;
        public long maxSteps;
        public int batchTokens;
        public int microBatchTokens;
        public boolean packing;

        private Builder(Batching from) {
            epochs = from.epochs;
            maxSteps = from.maxSteps;
            batchTokens = from.batchTokens;
            microBatchTokens = from.microBatchTokens;
            packing = from.packing;
        }
    }
}
