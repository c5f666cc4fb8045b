package io.sails4j.sae;

import io.sails4j.io.ShardedTensors;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/** What the directories around an SAE tell. */
final class SaeDirectories {
    /** layer_N/width_W/average_l0_A under Gemma Scope's root. */
    private static final int DEPTH = 3;
    private static final int SHOWN = 20;
    /** A directory of anything else is not searched to its end. */
    private static final int SEARCHED = 4096;

    private SaeDirectories() {
    }

    /** The name of a directory, also of {@code .}; empty for a root. */
    static String nameOf(Path directory) {
        Path name = directory.toAbsolutePath().normalize().getFileName();
        return name == null ? "" : name.toString();
    }

    /**
     * Where an SAE of sparsify belongs: its directory is named as the module whose output it reads, {@code layers.12}, or lies below as
     * {@code seed0} where there are several (sparsify/trainer.py).
     */
    static SaeHook hookOf(Path directory) {
        Path at = directory.toAbsolutePath().normalize();
        String name = nameOf(at);
        if (name.matches("seed\\d+") && at.getParent() != null) {
            name = nameOf(at.getParent());
        }
        boolean told = HookName.isModule(name) || name.startsWith("embed");
        return told ? HookName.parse(name).from("its directory's name") : SaeHook.untold();
    }

    /** The nearest directories below, relative to {@code directory}, that hold one of some files. */
    static List<String> below(Path directory, Set<String> files) {
        List<Path> level = List.of(directory);
        for (int depth = 0; depth < DEPTH; depth++) {
            level = level.stream().flatMap(at -> entries(at).stream()).filter(Files::isDirectory).filter(Files::isReadable)
                .limit(SEARCHED).toList();
            List<String> found = level.stream().filter(at -> files.stream().anyMatch(file -> Files.exists(at.resolve(file))))
                .map(at -> directory.relativize(at).toString()).toList();
            if (!found.isEmpty()) {
                return found;
            }
        }
        return List.of();
    }

    static String enumerate(List<String> names) {
        List<String> shown = names.subList(0, Math.min(SHOWN, names.size()));
        return String.join(", ", shown) + (names.size() > SHOWN ? " and " + (names.size() - SHOWN) + " more" : "");
    }

    static Optional<Path> pickleIn(Path directory) {
        return entries(directory).stream().filter(at -> ShardedTensors.isPickle(at.getFileName().toString())).findFirst();
    }

    private static List<Path> entries(Path directory) {
        try (Stream<Path> list = Files.list(directory)) {
            return list.sorted().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
