package io.sails4j.judge;

import io.sails4j.model.ModelOptions;
import io.sails4j.ops.Engine;
import java.nio.file.Path;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

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

    /**
     * A model behind an OpenAI-compatible server: {@link EndpointJudge}.
     *
     * @param label what stands for the server and its model in the judge's name
     * @param cache directory of the server's replies, null = they are kept as long as the judge
     */
    record Endpoint(String label, EndpointServer server, Rubric rubric, EndpointOptions options, @Nullable Path cache)
        implements JudgeSpec {
        @Override
        public Judge open(Supplier<Engine> engine) {
            return new EndpointJudge(label, server, rubric, options, cache);
        }
    }

    /**
     * A checkpoint in this process: {@link ModelJudge}.
     *
     * @param label what stands for the model in the judge's name
     * @param load how the checkpoint in the directory is loaded
     */
    record Model(String label, Path directory, ModelOptions load, ModelJudgeOptions options) implements JudgeSpec {
        @Override
        public Judge open(Supplier<Engine> engine) {
            return ModelJudge.open(label, directory, engine.get(), load, options);
        }
    }
}
