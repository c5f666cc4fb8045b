package io.sails4j.subspace;

import io.sails4j.InputException;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;
import java.util.function.Consumer;

/**
 * How a subspace is made from feature scores.
 *
 * @param variance the paper's tau
 */
@OptionGroup("Subspace")
public record SubspaceOptions(
    @Described(value = "features kept in each layer", label = "K") int topK,
    @Described(value = "share of the directions' variance that the subspace explains", label = "TAU") double variance,
    @Described("subtract the mean direction before the PCA") boolean centre,
    @Described("scale the directions to length 1 first") boolean unitRows,
    @Described("average activations over tokens, sequences, or last tokens") Pooling pool,
    @Described(value = "padded tokens in a batch of the pass that collects features", label = "N") int featureBatchTokens) {

    public SubspaceOptions {
        InputException.requireOption(topK >= 1, "top_k", topK, "1 or more features");
        InputException.requireOption(variance > 0 && variance <= 1, "variance", variance, "a share above 0 and at most 1");
        InputException.requireOption(featureBatchTokens >= 1, "feature_batch_tokens", featureBatchTokens, "1 or more");
    }

    /** The paper's 64 features and 80 % of the variance, centred. */
    public static SubspaceOptions defaults() {
        return new SubspaceOptions(64, 0.8, true, false, Pooling.TOKEN, 4096);
    }

    /** Other options: {@code change} gets a builder that has these. */
    public SubspaceOptions with(Consumer<Builder> change) {
        Builder builder = new Builder(this);
        change.accept(builder);
        return new SubspaceOptions(builder.topK, builder.variance, builder.centre, builder.unitRows, builder.pool,
            builder.featureBatchTokens);
    }

    /** The components, to be changed. */
    public static final class Builder {
        public int topK;
        public double variance;
        public boolean centre;
        public boolean unitRows;
        public Pooling pool;
        public int featureBatchTokens;

        private Builder(SubspaceOptions from) {
            topK = from.topK;
            variance = from.variance;
            centre = from.centre;
            unitRows = from.unitRows;
            pool = from.pool;
            featureBatchTokens = from.featureBatchTokens;
        }
    }
}
