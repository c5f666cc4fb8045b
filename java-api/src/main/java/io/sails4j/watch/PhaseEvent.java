package io.sails4j.watch;

import jdk.jfr.Category;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** A part of a run: forward and backward, the optimizer, an evaluation, a checkpoint. Costs next to nothing where nobody records. */
@Name("io.sails4j.TrainingPhase")
@Label("Training phase")
@Category("sails4j")
@StackTrace(false)
public final class PhaseEvent extends Event implements AutoCloseable {
    @Label("Phase")
    public String phase = "";
    @Label("Step")
    public long step;

    /** Begins; closing it ends the phase. */
    public static PhaseEvent begin(String phase, long step) {
        PhaseEvent event = new PhaseEvent();
        event.phase = phase;
        event.step = step;
        event.begin();
        return event;
    }

    @Override
    public void close() {
        commit();
    }
}
