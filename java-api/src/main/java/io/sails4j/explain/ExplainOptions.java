package io.sails4j.explain;

import io.sails4j.InputException;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;
import java.util.function.Consumer;

/** How much an explanation shows. */
@OptionGroup("Explanation")
public record ExplainOptions(
    @Described(value = "passages of each feature, those where it fires most", label = "N") int passages,
    @Described(value = "tokens on either side of a passage's peak", label = "N") int context,
    @Described(value = "nearest features of each feature", label = "N") int neighbours,
    @Described(value = "tokens that a feature promotes, and as many that it suppresses", label = "N") int lensTokens,
    @Described(value = "features of each layer that an adapter shifts most, or that fire most on a prompt", label = "N") int features,
    @Described(value = "padded tokens in a batch of the pass that collects features", label = "N") int featureBatchTokens) {

    /** Where a feature fires most is kept for all features of an SAE: this many places each. */
    private static final int MOST_PASSAGES = 64;
    /** What is kept or shown of each feature is of this size at most: a page of more could not be read. */
    private static final int MOST = 10_000;

    public ExplainOptions {
        InputException.requireOption(passages >= 0 && passages <= MOST_PASSAGES, "passages", passages, "0 to " + MOST_PASSAGES);
        InputException.requireOption(context >= 0 && context <= MOST, "context", context, "0 to " + MOST + " tokens");
        InputException.requireOption(neighbours >= 0 && neighbours <= MOST, "neighbours", neighbours, "0 to " + MOST + " features");
        InputException.requireOption(lensTokens >= 0 && lensTokens <= MOST, "lens_tokens", lensTokens, "0 to " + MOST + " tokens");
        InputException.requireOption(features >= 1, "features", features, "1 or more");
        InputException.requireOption(featureBatchTokens >= 1, "feature_batch_tokens", featureBatchTokens, "1 or more");
    }

    /** Five passages of up to 25 tokens, five neighbours, eight tokens either way, 20 features a layer. */
    public static ExplainOptions defaults() {
        return new ExplainOptions(5, 12, 5, 8, 20, 4096);
    }

    /** Other options: {@code change} gets a builder that has these. */
    public ExplainOptions with(Consumer<Builder> change) {
        Builder builder = new Builder(this);
        change.accept(builder);
        return new ExplainOptions(builder.passages, builder.context, builder.neighbours, builder.lensTokens, builder.features,
            builder.featureBatchTokens);
    }

    /** The components, to be changed. */
    public static final class Builder {
        public int passages;
        public int context;
        public int neighbours;
        public int lensTokens;
        public int features;
        public int featureBatchTokens;

        private Builder(ExplainOptions from) {
            passages = from.passages;
            context = from.context;
            neighbours = from.neighbours;
            lensTokens = from.lensTokens;
            features = from.features;
            featureBatchTokens = from.featureBatchTokens;
        }
    }
}
