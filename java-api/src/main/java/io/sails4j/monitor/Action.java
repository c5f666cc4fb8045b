package io.sails4j.monitor;

import io.sails4j.InputException;
import io.sails4j.steer.FeatureChange;
import java.util.List;

/** What is done when an alarm begins. */
public sealed interface Action {
    /** The name in files. */
    String name();

    /** Whether people or programs should look at it; a note is for statistics. */
    default boolean alarms() {
        return true;
    }

    /** It is written down, and is no alarm. */
    record Note() implements Action {
        @Override
        public String name() {
            return "log";
        }

        @Override
        public boolean alarms() {
            return false;
        }
    }

    /** It is an alarm, and the answer goes on. */
    record Alarm() implements Action {
        @Override
        public String name() {
            return "alarm";
        }
    }

    /** The answer ends there. */
    record Stop() implements Action {
        @Override
        public String name() {
            return "stop";
        }
    }

    /**
     * As long as the alarm is there, features are pushed: those of one layer, at every token that is read after the one that raised it
     * (in a prompt, after its chunk).
     *
     * @param changes numbers that are added to activations, of features of one layer
     */
    record Steer(List<FeatureChange.Steered> changes) implements Action {
        public Steer {
            changes = List.copyOf(changes);
            if (changes.stream().map(change -> change.feature().layer()).distinct().count() != 1) {
                throw new InputException("features of one layer are to be steered, and there are none, or of several layers");
            }
        }

        @Override
        public String name() {
            return "steer";
        }
    }

    /**
     * The answer goes on by other adapters.
     *
     * @param model the name that the service, or the command, knows them by
     */
    record SwitchTo(String model) implements Action {
        public SwitchTo {
            if (model.isBlank()) {
                throw new InputException("an alarm is to switch to a model without a name, expected the name of an adapter");
            }
        }

        @Override
        public String name() {
            return "switch";
        }
    }
}
