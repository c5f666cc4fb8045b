package io.sails4j.judge;

import io.sails4j.ops.Engine;
import java.util.function.Supplier;

/** Which judge is asked for. Opening it gives the judge. */
public sealed interface JudgeSpec {
    /**
     * Opens the judge; whoever opens it closes it.
     *
     * @param engine opened by judges that are a model in this process, asked for by them alone; they do not close it
     */
    Judge open(Supplier<Engine> engine);

    /** Our own classifier of refusals: no network, milliseconds. */
    record Refusal() implements JudgeSpec {
        @Override
        public Judge open(Supplier<Engine> engine) {
            return new RefusalJudge();
        }
    }
}
