package io.sails4j.explain;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.files.AtomicFiles;
import java.nio.file.Path;

/** What {@code explain.json} holds: of a subspace, of an adapter or of a prompt. */
public sealed interface Explanation permits SubspaceExplanation, AdapterExplanation, PromptExplanation {
    /** The file's name in its directory. */
    String FILE = "explain.json";

    /** As {@code explain.json} holds it; what is not known is null there. */
    ObjectNode json();

    /** Writes {@code explain.json} into an existing directory. */
    default void writeInto(Path directory) {
        AtomicFiles.writeJson(directory.resolve(FILE), json());
    }
}
