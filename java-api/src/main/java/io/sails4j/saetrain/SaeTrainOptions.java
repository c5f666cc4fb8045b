package io.sails4j.saetrain;

import java.util.function.Consumer;

/** How to train sparse autoencoders. */
public record SaeTrainOptions(
    SaeShape shape,
    SparsityOptions sparsity,
    SaeOptimization optimization,
    SaeBatching batching,
    RevivalOptions revival,
    SaeRunOptions run) {

    /** A top-32 autoencoder of 4096 features, ten thousand steps of 4096 vectors. */
    public static SaeTrainOptions defaults() {
        return new SaeTrainOptions(SaeShape.defaults(), SparsityOptions.defaults(), SaeOptimization.defaults(), SaeBatching.defaults(),
            RevivalOptions.defaults(), SaeRunOptions.defaults());
    }

    /** Other options: {@code change} gets a builder that has these. */
    public SaeTrainOptions with(Consumer<Builder> change) {
        Builder builder = new Builder(this);
        change.accept(builder);
        return new SaeTrainOptions(builder.shape, builder.sparsity, builder.optimization, builder.batching, builder.revival, builder.run);
    }

    /** The components, to be changed. */
    public static final class Builder {
        public SaeShape shape;
        public SparsityOptions sparsity;
        public SaeOptimization optimization;
        public SaeBatching batching;
        public RevivalOptions revival;
        public SaeRunOptions run;

        private Builder(SaeTrainOptions from) {
            shape = from.shape;
            sparsity = from.sparsity;
            optimization = from.optimization;
            batching = from.batching;
            revival = from.revival;
            run = from.run;
        }
    }
}
