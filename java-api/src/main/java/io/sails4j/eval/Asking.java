package io.sails4j.eval;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.model.StreamEdit;
import java.nio.file.Path;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/** How an evaluation puts its prompts to its arms: as they are, or as an attack makes them. */
public interface Asking {
    /** What decides the questions beside the run's own options, with the hashes of files that are read; null where nothing does. */
    @Nullable
    ObjectNode origin();

    /**
     * Begins, or goes on with what an earlier run left.
     *
     * @param state directory of what the run keeps until its result is complete; files of results one a line end with {@code .jsonl}
     */
    Running open(Path state);

    /** The asking of one run. */
    interface Running extends AutoCloseable {
        /** What an arm is asked, prompt by prompt. Asked again of the same arm, as after a kill, it is the same. */
        List<Question> questions(OpenArm arm, List<EvalPrompt> prompts, EvalProgress progress, BooleanSupplier stop);

        /** What changes the model while it answers these questions, null = nothing. */
        default @Nullable StreamEdit edit() {
            return null;
        }

        /** Whether rates count the answer of an arm to a prompt. */
        default boolean counts(int arm, int prompt) {
            return true;
        }

        /** The name of the file of results. */
        default String fileName() {
            return "eval.json";
        }

        /** What that file holds. */
        default ObjectNode json(EvalResult result) {
            return result.json();
        }

        @Override
        void close();
    }

    /** Prompts as they are. */
    static Asking plain() {
        return new PlainAsking();
    }
}
