package io.sails4j.train;

import io.sails4j.ops.AdamwOptions;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;

/** How to train. */
@OptionGroup("Batches")
public record TrainingOptions(
    Batching batching,
    OptimizerOptions optimizer,
    ScheduleOptions schedule,
    Execution execution,
    @Described(value = "of the start of adapters and the order of the examples", label = "N") long seed) {

    /** One epoch of AdamW at a learning rate of 2e-4 under a cosine schedule with 3 % of warm-up. */
    public static TrainingOptions defaults() {
        return new TrainingOptions(Batching.defaults(), OptimizerOptions.of(new AdamwOptions(2e-4, 0.9, 0.999, 1e-8, 0)),
            new ScheduleOptions(LrSchedule.COSINE, 0.03), Execution.defaults(), 0);
    }

    /** For short: the plain parts with other numbers. */
    public TrainingOptions withBatching(Consumer<Batching.Builder> change) {
        return with(b -> b.batching = b.batching.with(change));
    }

    /** The same with another optimizer: {@code change} gets a builder that has this one. */
    public TrainingOptions withOptimizer(Consumer<OptimizerOptions.Builder> change) {
        return with(b -> b.optimizer = b.optimizer.with(change));
    }

    /** The same with other settings of AdamW. */
    public TrainingOptions withAdamw(UnaryOperator<AdamwOptions> change) {
        return withOptimizer(o -> o.adamw = change.apply(o.adamw));
    }

    /** Other options: {@code change} gets a builder that has these. */
    public TrainingOptions with(Consumer<Builder> change) {
        Builder builder = new Builder(this);
        change.accept(builder);
        return new TrainingOptions(builder.batching, builder.optimizer, builder.schedule, builder.execution, builder.seed);
    }

    /** The components, to be changed. */
    public static final class Builder {
        public Batching batching;
        public OptimizerOptions optimizer;
        public ScheduleOptions schedule;
        public Execution execution;
        public long seed;

        private Builder(TrainingOptions from) {
            batching = from.batching;
            optimizer = from.optimizer;
            schedule = from.schedule;
            execution = from.execution;
            seed = from.seed;
        }
    }
}
