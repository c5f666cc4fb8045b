package io.sails4j.train;

import io.sails4j.ffi.NativeException;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.ops.Graph;
import io.sails4j.tensor.TensorArena;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Forward and backward passes as recorded graphs, by the shape of their micro-batch. A shape that comes for the first time is run call by call, which
 * lets all memory grow to its need; the second time its calls are recorded, and from then on they are launched as one. What a launch reads, it reads
 * at the addresses of the recording: those of the arenas, which give the same ones for the same allocations until their memory moves. Then all graphs are
 * recorded anew.
 */
final class PassGraphs implements AutoCloseable {
    /** A graph costs the host megabytes. Shapes beyond these are run call by call. */
    private static final int MOST = 64;

    private final CausalModel model;
    private final TensorArena memory;
    private final Consumer<String> message;
    private final Map<Shape, List<Graph>> recorded = new HashMap<>();
    private final Set<Shape> seen = new HashSet<>();
    private long layout;
    private long launches;
    private boolean failed;

    /** What decides the sizes of all tensors of a pass. */
    record Shape(int batch, int length, int sequences) {
        static Shape of(SequenceBatch batch) {
            return new Shape(batch.tokens().batch(), batch.tokens().length(), batch.starts().length);
        }
    }

    /** A piece of a pass, which neither waits nor copies from the host; {@code varies}: its scalars change, so that it is called each time. */
    record Part(Runnable body, boolean varies) {
    }

    /** @param memory where the passes allocate, besides the model's own */
    PassGraphs(CausalModel model, TensorArena memory, Consumer<String> message) {
        this.model = model;
        this.memory = memory;
        this.message = message;
    }

    /** Shapes that are recorded now. */
    int shapes() {
        return recorded.size();
    }

    /** Passes that were launched as graphs. */
    long launches() {
        return launches;
    }

    /** Runs the parts in their order, one way or another; the inputs are on the device. */
    void run(Shape shape, AdapterStack adapters, List<Part> parts) {
        long now = model.memoryLayout() + memory.layout();
        if (now != layout) {
            drop();
            layout = now;
        }
        List<Graph> graphs = recorded.get(shape);
        if (graphs != null) {
            launch(graphs, parts);
        } else if (failed || seen.add(shape) || recorded.size() >= MOST) {
            parts.forEach(part -> part.body.run());
        } else {
            // A recording holds what is derived from the adapters even where it is not out of date just now.
            adapters.forgetDerived();
            record(shape, parts);
        }
    }

    private void launch(List<Graph> graphs, List<Part> parts) {
        launches++;
        int next = 0;
        for (Part part : parts) {
            if (part.varies) {
                part.body.run();
            } else {
                graphs.get(next++).launch();
            }
        }
    }

    private void record(Shape shape, List<Part> parts) {
        List<Graph> graphs = new ArrayList<>();
        for (Part part : parts) {
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
            launches++;
            recorded.put(shape, graphs);
        }
    }

    /** Null where it cannot be recorded: then nothing has run, and the memory is as before. */
    private @Nullable Graph graphOf(Part part) {
        Runnable modelMemory = model.memoryMark();
        TensorArena.Mark mark = memory.mark();
        try {
            return model.engine().record(part.body);
        } catch (NativeException e) {
            memory.release(mark);
            modelMemory.run();
            failed = true;
            drop();
            message.accept("graphs: off from now on, a pass cannot be recorded: " + e.text());
            return null;
        }
    }

    private void drop() {
        recorded.values().forEach(graphs -> graphs.forEach(Graph::close));
        recorded.clear();
    }

    @Override
    public void close() {
        drop();
    }
}
