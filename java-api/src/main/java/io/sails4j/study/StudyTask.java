package io.sails4j.study;

import io.sails4j.options.Options;
import io.sails4j.train.Objective;
import java.util.Locale;

/**
 * One training run and what is asked of its result. Independent of all others of its phase.
 *
 * @param arm by name
 */
public record StudyTask(Phase phase, String arm, Objective objective, double lr, int pairs, long seed) {
    /** What a task is for. */
    public enum Phase {
        /** To choose a learning rate by the validation prompts. */
        TRIAL,
        /** To test. */
        TEST
    }

    /** The name of its directory. */
    public String id() {
        return String.format(Locale.ROOT, "%s.%s.%s.pairs-%d.lr-%s.seed-%d", phase.name().toLowerCase(Locale.ROOT), arm,
            Options.label(objective), pairs, Double.toString(lr), seed);
    }
}
