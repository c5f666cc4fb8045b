package io.sails4j.saetrain;

import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;
import io.sails4j.train.CheckpointOptions;
import java.util.function.Consumer;

/** The seed of a run, and when its state is written. */
@OptionGroup("Run")
public record SaeRunOptions(
    @Described(value = "of the start of the weights and the order of the vectors", label = "N") long seed,
    CheckpointOptions checkpoints) {

    /** Seed 0, a checkpoint every hundred steps. */
    public static SaeRunOptions defaults() {
        return new SaeRunOptions(0, CheckpointOptions.defaults());
    }

    /** Other options: {@code change} gets a builder that has these. */
    public SaeRunOptions with(Consumer<Builder> change) {
        Builder builder = new Builder(this);
        change.accept(builder);
        return new SaeRunOptions(builder.seed, builder.checkpoints);
    }

    /** The components, to be changed. */
    public static final class Builder {
        public long seed;
        public CheckpointOptions checkpoints;

        private Builder(SaeRunOptions from) {
            seed = from.seed;
            checkpoints = from.checkpoints;
        }
    }
}
