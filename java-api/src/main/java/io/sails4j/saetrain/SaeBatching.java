package io.sails4j.saetrain;

import io.sails4j.InputException;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;
import java.util.function.Consumer;

/** How many vectors are trained on, and how they come. */
@OptionGroup("Batches")
public record SaeBatching(
    @Described(value = "vectors of a step", label = "N") int batchTokens,
    @Described(value = "steps of the run", label = "N") long steps,
    @Described(value = "vectors of a model that are shuffled together; they take 4 d_model bytes of memory a layer each",
        label = "N") int bufferTokens,
    @Described("also train on the first token of each text, whose activations are far from all others") boolean firstTokens,
    @Described(value = "padded tokens in a batch of the model", label = "N", decides = false) int modelBatchTokens) {

    public SaeBatching {
        InputException.requireOption(batchTokens >= 1, "batch_tokens", batchTokens, "1 or more vectors");
        InputException.requireOption(steps >= 1, "steps", steps, "1 or more");
        InputException.requireOption(bufferTokens >= batchTokens, "buffer_tokens", bufferTokens,
            "at least a batch, " + batchTokens + " vectors");
        InputException.requireOption(modelBatchTokens >= 1, "model_batch_tokens", modelBatchTokens, "1 or more");
    }

    /** Ten thousand steps of 4096 vectors. */
    public static SaeBatching defaults() {
        return new SaeBatching(4096, 10_000, 1 << 18, false, 4096);
    }

    /** Other options: {@code change} gets a builder that has these. */
    public SaeBatching with(Consumer<Builder> change) {
        Builder builder = new Builder(this);
        change.accept(builder);
        return new SaeBatching(builder.batchTokens, builder.steps, builder.bufferTokens, builder.firstTokens, builder.modelBatchTokens);
    }

    /** The components, to be changed. */
    public static final class Builder {
        public int batchTokens;
        public long steps;
        public int bufferTokens;
        public boolean firstTokens;
        public int modelBatchTokens;

        private Builder(SaeBatching from) {
            batchTokens = from.batchTokens;
            steps = from.steps;
            bufferTokens = from.bufferTokens;
            firstTokens = from.firstTokens;
            modelBatchTokens = from.modelBatchTokens;
        }
    }
}
