package io.sails4j.adaptation;

import io.sails4j.files.AtomicFiles;
import io.sails4j.loop.StepHook;
import io.sails4j.trainable.Trainable;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.function.DoubleSupplier;
import org.jspecify.annotations.Nullable;

/** What is trained of one model, on its device; closing it takes back all of its memory. */
public final class OpenAdaptation implements AutoCloseable {
    private final Deque<AutoCloseable> resources;
    private final Trainable trainable;
    private final StepHook hook;
    private final DoubleSupplier share;
    private final AtomicFiles.DirectoryWriter writer;

    private OpenAdaptation(Building parts) {
        this.resources = parts.resources;
        this.trainable = Objects.requireNonNull(parts.trainable);
        this.hook = parts.hook;
        this.share = parts.share;
        this.writer = Objects.requireNonNull(parts.writer);
    }

    /** Opens the parts; what was opened before one that fails is closed again. */
    static OpenAdaptation open(Consumer<Building> parts) {
        Building building = new Building();
        try {
            parts.accept(building);
            return new OpenAdaptation(building);
        } catch (RuntimeException | Error e) {
            closeAll(building.resources);
            throw e;
        }
    }

    /** The parts while they are opened. */
    static final class Building {
        private final Deque<AutoCloseable> resources = new ArrayDeque<>();
        private @Nullable Trainable trainable;
        private StepHook hook = StepHook.none();
        private DoubleSupplier share = () -> Double.NaN;
        private AtomicFiles.@Nullable DirectoryWriter writer;

        /** To be closed with the rest, before what was opened earlier. */
        <T extends AutoCloseable> T own(T resource) {
            resources.push(resource);
            return resource;
        }

        void trains(Trainable what) {
            trainable = own(what);
        }

        void writes(AtomicFiles.DirectoryWriter how) {
            writer = how;
        }

        void isHeldBy(SubspaceHook constraint) {
            hook = own(constraint);
            share = constraint::measureShare;
        }
    }

    public Trainable trainable() {
        return trainable;
    }

    /** What a constraint does in each step. */
    public StepHook hook() {
        return hook;
    }

    /** Share of the weight update that lies in the subspace, NaN where there is none; waits. */
    public double shareInside() {
        return share.getAsDouble();
    }

    /** Writes the result into a directory: a PEFT adapter with the subspace that it lies in, or a checkpoint with its tokenizer. */
    public void writeInto(Path directory) throws IOException {
        writer.write(directory);
    }

    @Override
    public void close() {
        closeAll(resources);
    }

    private static void closeAll(Deque<AutoCloseable> resources) {
        while (!resources.isEmpty()) {
            try {
                resources.pop().close();
            } catch (RuntimeException e) {
                throw e;
            } catch (Exception e) {
                throw new IllegalStateException("a part of the adaptation cannot be closed", e);
            }
        }
    }
}
