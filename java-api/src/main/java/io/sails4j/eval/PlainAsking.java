package io.sails4j.eval;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/** Prompts as they are. */
record PlainAsking() implements Asking, Asking.Running {
    @Override
    public @Nullable ObjectNode origin() {
        return null;
    }

    @Override
    public Running open(Path state) {
        return this;
    }

    @Override
    public List<Question> questions(OpenArm arm, List<EvalPrompt> prompts, EvalProgress progress, BooleanSupplier stop) {
        return prompts.stream().map(prompt -> new Question(arm.ids(prompt), 0, null)).toList();
    }

    @Override
    public void close() {
        // Nothing is kept.
    }
}
