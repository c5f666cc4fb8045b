package io.sails4j.model;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** What belongs to a checkpoint beside its weights and its configuration: without its tokenizer it could not be run. */
public final class CheckpointCompanions {
    /** By the beginning of the name. */
    private static final List<String> NAMES = List.of("tokenizer", "special_tokens", "added_tokens", "chat_template", "vocab.",
        "merges.txt", "generation_config.json", "LICENSE", "NOTICE", "USE_POLICY");

    private CheckpointCompanions() {
    }

    /** Copies them into another directory; of a model that was made in memory there is no directory, and nothing to copy. */
    public static void copy(Path from, Path into) throws IOException {
        if (!Files.isDirectory(from)) {
            return;
        }
        try (Stream<Path> files = Files.list(from)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                String name = file.getFileName().toString();
                if (NAMES.stream().anyMatch(name::startsWith)) {
                    Files.copy(file, into.resolve(name));
                }
            }
        }
    }
}
