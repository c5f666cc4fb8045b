package io.sails4j.persistence;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.files.AtomicFiles;
import io.sails4j.files.FileHash;
import io.sails4j.files.JsonFiles;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.tensor.HostTensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The checkpoints of one run: directories {@code step-0000000120} with {@code state.safetensors} (every tensor that decides the future),
 * {@code run.json} (everything else that does) and {@code COMPLETE} (hashes of the two), and a file {@code latest} that names the newest.
 * A directory is written beside, flushed and renamed, its mark last; older ones go only when the new one stands.
 */
public final class CheckpointStore {
    private static final Pattern NAME = Pattern.compile("step-\\d{10}");
    private static final String STATE = "state.safetensors";
    private static final String RUN = "run.json";
    private static final String COMPLETE = "COMPLETE";
    private static final String LATEST = "latest";

    private final Path root;
    private final int keep;
    private final List<String> damaged = new ArrayList<>();

    /** @param root may not exist yet */
    public CheckpointStore(Path root, int keep) {
        this.root = root;
        this.keep = keep;
    }

    /**
     * A checkpoint that is complete.
     *
     * @param step optimizer steps that the run had taken
     */
    public record Stored(long step, Path directory, JsonNode run) {
        /** The tensors; close the file when they have been copied. */
        public SafetensorsFile open() {
            return SafetensorsFile.open(directory.resolve(STATE));
        }
    }

    private static String name(long step) {
        return String.format(Locale.ROOT, "step-%010d", step);
    }

    /** Writes the state after {@code step} steps; one that stands already is the same state and is left alone. */
    public void write(long step, SequencedMap<String, HostTensor> tensors, ObjectNode run) {
        Path target = root.resolve(name(step));
        if (read(target).isEmpty()) {
            AtomicFiles.deleteTree(target);
            AtomicFiles.writeDirectory(target, directory -> {
                SafetensorsWriter.write(directory.resolve(STATE), tensors, Map.of());
                AtomicFiles.writeJson(directory.resolve(RUN), run);
                AtomicFiles.writeJson(directory.resolve(COMPLETE), marks(directory));
            });
        }
        AtomicFiles.writeString(root.resolve(LATEST), name(step) + "\n");
        List<Path> older = directories().stream().filter(d -> d.getFileName().toString().compareTo(name(step)) < 0).toList();
        older.stream().skip(keep - 1L).forEach(AtomicFiles::deleteTree);
    }

    private static ObjectNode marks(Path directory) {
        ObjectNode marks = new ObjectMapper().createObjectNode();
        marks.put(STATE, FileHash.sha256(directory.resolve(STATE)));
        marks.put(RUN, FileHash.sha256(directory.resolve(RUN)));
        return marks;
    }

    /** The newest checkpoint that is complete; damaged ones on the way are told by {@link #damaged}. */
    public Optional<Stored> newest() {
        damaged.clear();
        for (Path directory : directories()) {
            Optional<Stored> stored = read(directory);
            if (stored.isPresent()) {
                return stored;
            }
            damaged.add(directory + " is damaged: its files are not those that its mark " + COMPLETE + " speaks of");
        }
        return Optional.empty();
    }

    /**
     * What stands of a run, for sentences.
     *
     * @param step of the last checkpoint, below 0 where there is none
     * @param partial where the run's state is
     */
    public static String standing(long step, Path partial) {
        return step < 0 ? "no checkpoint stands" : "the last good checkpoint is that of step " + step + " in " + partial;
    }

    /**
     * The checkpoint that a run goes on from, empty where it starts.
     *
     * @param partial where the run's state is, for sentences
     * @param resume whether it was asked to go on
     * @param fingerprint everything that the earlier run must agree in
     * @param device what the run is on; another one than before is said
     * @throws InputException where there is a run that was not asked for, or none that was, or another one
     */
    public Optional<Stored> toGoOnFrom(Path partial, boolean resume, ObjectNode fingerprint, String device) {
        Optional<Stored> newest = newest();
        damaged.forEach(Log::warning);
        if (!resume) {
            newest.ifPresent(stored -> {
                throw new InputException(partial + " holds an earlier run, stopped after step " + stored.step()
                    + "; go on with it by resume=true, or remove it to start again");
            });
            return Optional.empty();
        }
        if (newest.isEmpty()) {
            throw new InputException("there is nothing to resume: " + partial + " holds no complete checkpoint; leave out resume=true");
        }
        SameRun.require(partial, newest.get().run().path("fingerprint"), fingerprint);
        String earlier = newest.get().run().path("device").asText();
        if (!earlier.equals(device)) {
            Log.info(
                "the run was on " + earlier + " and goes on on " + device + ": its bits may differ from those of an uninterrupted run");
        }
        Log.info("going on after step " + newest.get().step() + " from " + newest.get().directory());
        return newest;
    }

    /** What the last {@link #newest} passed over, a sentence each. */
    public List<String> damaged() {
        return List.copyOf(damaged);
    }

    private static Optional<Stored> read(Path directory) {
        try {
            if (!Files.exists(directory.resolve(COMPLETE)) || !JsonFiles.read(directory.resolve(COMPLETE)).equals(marks(directory))) {
                return Optional.empty();
            }
            return Optional.of(new Stored(Long.parseLong(directory.getFileName().toString().substring(5)), directory,
                JsonFiles.read(directory.resolve(RUN))));
        } catch (InputException | UncheckedIOException e) {
            return Optional.empty();
        }
    }

    /** Newest first. */
    private List<Path> directories() {
        if (!Files.isDirectory(root)) {
            return List.of();
        }
        try (Stream<Path> entries = Files.list(root)) {
            return entries.filter(p -> NAME.matcher(p.getFileName().toString()).matches()).sorted(Comparator.reverseOrder()).toList();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + root + ": " + e, e);
        }
    }
}
