package io.sails4j.watch;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** One optimizer step, for the flight recorder. */
@Name("io.sails4j.TrainingStep")
@Label("Training step")
@Category("sails4j")
@Description("One optimizer step with all its micro-batches")
@StackTrace(false)
public final class StepEvent extends Event {
    @Label("Step")
    public long step;
    @Label("Loss")
    public double loss;
    @Label("Gradient norm")
    public double gradNorm;
    @Label("Learning rate")
    public double lr;
    @Label("Tokens")
    public long tokens;
}
