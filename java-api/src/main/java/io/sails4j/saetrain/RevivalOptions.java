package io.sails4j.saetrain;

import io.sails4j.InputException;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;
import java.util.function.Consumer;

/** What is done about features that do not fire any more. */
@OptionGroup("Dead features")
public record RevivalOptions(
    @Described(value = "steps without firing after which a feature is dead, 0 = a fiftieth of the run, 10 to 100",
        label = "N") int deadSteps,
    @Described(value = "coefficient of the error that dead features of topk and batchtopk learn (AuxK), 0 = off",
        label = "X", usedWith = "kind=topk|batchtopk") double auxCoefficient,
    @Described(value = "dead features that learn it for each vector, 0 = half of d_in", label = "N",
        usedWith = "kind=topk|batchtopk, aux_coefficient>0") int auxK,
    @Described(value = "steps between fresh starts of dead features, 0 = never", label = "N") int resampleEvery) {

    private static final int STEPS_BY_DEAD = 50;
    private static final int FEWEST_DEAD = 10;
    private static final int MOST_DEAD = 100;

    public RevivalOptions {
        InputException.requireOption(deadSteps >= 0, "dead_steps", deadSteps, "0 (by the length of the run) or more steps");
        InputException.requireOption(auxCoefficient >= 0 && Double.isFinite(auxCoefficient), "aux_coefficient", auxCoefficient,
            "a finite number >= 0");
        InputException.requireOption(auxK >= 0, "aux_k", auxK, "0 (half of d_in) or more");
        InputException.requireOption(resampleEvery >= 0, "resample_every", resampleEvery, "0 (never) or more steps");
    }

    /** AuxK with the coefficient of arXiv:2406.04093, section A.2; fresh starts every 50 steps. */
    public static RevivalOptions defaults() {
        return new RevivalOptions(0, 1.0 / 32, 0, 50);
    }

    /** Steps without firing after which a feature is dead in a run of so many. */
    int deadSteps(long steps) {
        return deadSteps == 0 ? Math.clamp(steps / STEPS_BY_DEAD, FEWEST_DEAD, MOST_DEAD) : deadSteps;
    }

    /** Other options: {@code change} gets a builder that has these. */
    public RevivalOptions with(Consumer<Builder> change) {
        Builder builder = new Builder(this);
        change.accept(builder);
        return new RevivalOptions(builder.deadSteps, builder.auxCoefficient, builder.auxK, builder.resampleEvery);
    }

    /** The components, to be changed. */
    public static final class Builder {
        public int deadSteps;
        public double auxCoefficient;
        public int auxK;
        public int resampleEvery;

        private Builder(RevivalOptions from) {
            deadSteps = from.deadSteps;
            auxCoefficient = from.auxCoefficient;
            auxK = from.auxK;
            resampleEvery = from.resampleEvery;
        }
    }
}
