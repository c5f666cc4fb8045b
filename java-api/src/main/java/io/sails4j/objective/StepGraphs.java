package io.sails4j.objective;

import io.sails4j.NativeException;
import io.sails4j.model.ModelSession;
import io.sails4j.ops.Graph;
import io.sails4j.tensor.TensorArena;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Pieces of a training step as recorded graphs: forward and backward passes by the shape of their micro-batch, and what surrounds them. A
 * piece that comes for the first time is run call by call, which lets all memory grow to its need; the second time its calls are recorded,
 * and from then on they are launched as one. What a launch reads, it reads at the addresses of the recording: those of the arenas, which
 * give the same ones for the same allocations until their memory moves. Then all pieces are recorded anew, and a single one where only the
 * memory moved that it alone works in.
 */
public final class StepGraphs implements AutoCloseable {
    private static final System.Logger LOG = System.getLogger("io.sails4j.objective");
    /** A graph costs the host megabytes. Passes of shapes beyond these are run call by call. */
    private static final int MOST = 64;

    private final ModelSession session;
    private final TensorArena memory;
    private final Map<Recordable, Recording> recorded = new HashMap<>();
    private final Set<Recordable> seen = new HashSet<>();
    private long layout;
    private long passes;
    private boolean failed;

    /** What is recorded once and launched again; equal pieces make the same calls. */
    sealed interface Recordable {
    }

    /** A forward and backward pass, by what decides the sizes of all its tensors. */
    record Pass(int batch, int length, int sequences) implements Recordable {
        static Pass of(SequenceBatch batch) {
            return new Pass(batch.tokens().batch(), batch.tokens().length(), batch.starts().length);
        }
    }

    /** What every step does before its passes, after them, and when the host has seen their numbers. */
    public enum StepPhase implements Recordable {
        BEFORE, AFTER, UPDATE
    }

    /**
     * A part of a piece, which neither waits nor copies from the host; {@code varies}: its scalars change, so that it is called each time.
     */
    record Segment(Runnable body, boolean varies) {
    }

    /** @param layout of the memory that this piece alone works in */
    private record Recording(List<Graph> graphs, long layout) {
        void close() {
            graphs.forEach(Graph::close);
        }
    }

    /** @param memory where the passes allocate, besides those of the session */
    public StepGraphs(ModelSession session, TensorArena memory) {
        this.session = session;
        this.memory = memory;
    }

    private long shapes() {
        return recorded.keySet().stream().filter(Pass.class::isInstance).count();
    }

    /** Passes that were launched as graphs. */
    public long passes() {
        return passes;
    }

    /**
     * Runs the parts of a piece in their order, one way or another; the inputs are on the device.
     *
     * @param own changes when memory has moved that this piece works in besides the passes' and the session's
     * @param forget called before a recording: what the host believes to be up to date on the device would be missing in it
     */
    void run(Recordable piece, long own, Runnable forget, List<Segment> parts) {
        long now = session.memoryLayout() + memory.layout();
        if (now != layout) {
            drop();
            layout = now;
        }
        Recording recording = recorded.get(piece);
        if (recording != null && recording.layout != own) {
            recording.close();
            recorded.remove(piece);
            recording = null;
        }
        if (recording != null) {
            launch(piece, recording.graphs, parts);
        } else if (failed || seen.add(piece) || piece instanceof Pass && shapes() >= MOST) {
            parts.forEach(part -> part.body.run());
        } else {
            forget.run();
            record(piece, own, parts);
        }
    }

    private void launch(Recordable piece, List<Graph> graphs, List<Segment> parts) {
        count(piece);
        int next = 0;
        for (Segment part : parts) {
            if (part.varies) {
                part.body.run();
            } else {
                graphs.get(next++).launch();
            }
        }
    }

    private void count(Recordable piece) {
        passes += piece instanceof Pass ? 1 : 0;
    }

    private void record(Recordable piece, long own, List<Segment> parts) {
        List<Graph> graphs = new ArrayList<>();
        for (Segment part : parts) {
            Graph graph = part.varies || failed ? null : graphOf(part);
            if (graph == null) {
                part.body.run();
            } else {
                graphs.add(graph);
                graph.launch();
            }
        }
        if (failed) {
            graphs.forEach(Graph::close);
        } else {
            count(piece);
            recorded.put(piece, new Recording(graphs, own));
        }
    }

    /** Null where it cannot be recorded: then nothing has run, and the memory is as before. */
    private @Nullable Graph graphOf(Segment part) {
        Runnable sessionMemory = session.memoryMark();
        TensorArena.Mark mark = memory.mark();
        try {
            return session.model().engine().record(part.body);
        } catch (NativeException e) {
            memory.release(mark);
            sessionMemory.run();
            failed = true;
            drop();
            LOG.log(System.Logger.Level.WARNING, "graphs: off from now on, a part of the step cannot be recorded: " + e.text());
            return null;
        }
    }

    private void drop() {
        recorded.values().forEach(Recording::close);
        recorded.clear();
    }

    @Override
    public void close() {
        drop();
    }
}
