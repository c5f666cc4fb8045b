package io.sails4j.model;

import io.sails4j.InputException;
import io.sails4j.ops.Engine;
import io.sails4j.ops.Graph;
import io.sails4j.ops.Graphs;
import io.sails4j.ops.Ops;
import io.sails4j.tensor.Backend;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Decoding of one token after another behind what a cache holds: last token, all layers, head, next token. Everything that changes from one
 * step to the next lies in device memory, so that a step is recorded once, where the backend can, and launched for each token; without
 * recording it is the same operations one by one. The host reads what was chosen when it likes to.
 */
final class DecodeSteps implements AutoCloseable {
    private final CausalModel model;
    private final KvCache cache;
    private final GenerationOptions options;
    private final boolean record;
    private final int batch;
    private final DecodeLayers layers;
    private final TensorArena memory;
    private final DecodeBuffers buffers;
    private @Nullable Graph graph;

    /**
     * @param promptLengths of the sequences without their padding; the longest fills the cache's places up to the first new token's
     * @param uniforms the random numbers of all steps, [max_new_tokens, batch], empty where decoding is greedy
     */
    DecodeSteps(CausalModel model, AdapterStack adapters, @Nullable StreamEdit edit, KvCache cache, GenerationOptions options,
        int[] promptLengths, float[] uniforms) {
        this.model = model;
        this.cache = cache;
        this.options = options;
        this.record = records(options.graphs(), model.engine(), edit);
        this.batch = promptLengths.length;
        this.memory = new TensorArena(model.engine().device());
        this.layers = new DecodeLayers(model, new OneStackMaps(adapters), edit);
        try {
            this.buffers = DecodeBuffers.allocate(model.config(), model.computeDtype(), batch, options.maxNewTokens(), uniforms.length > 0,
                memory);
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        }
        if (buffers.uniforms() != null) {
            buffers.uniforms().upload(uniforms);
        }
        // Where the last token of the prompt stands: choosing the first new one moves on from there.
        int longest = Arrays.stream(promptLengths).max().orElse(0);
        buffers.positions().upload(Arrays.stream(promptLengths).map(n -> n - 1).toArray());
        buffers.keyPosition().upload(new int[] {longest - 1});
        buffers.step().upload(new int[] {0});
    }

    /** An edit is called by the host in each step, and may do there what a recording cannot hold. */
    static boolean records(Graphs graphs, Engine engine, @Nullable StreamEdit edit) {
        if (graphs == Graphs.ON && edit != null) {
            throw new InputException("graphs are on, but steps with an edit of the residual stream are not recorded; leave graphs on auto "
                + "or off");
        }
        boolean can = engine.backend() != Backend.CPU;
        if (graphs == Graphs.ON && !can) {
            throw new InputException(
                "graphs are on, but the cpu backend runs each operation at once and records none; leave them on auto or off, "
                    + "or choose a backend that records");
        }
        return can && edit == null && graphs != Graphs.OFF;
    }

    /** Chooses the first new tokens from the logits [batch, vocab_size] F32 after the prompt, whose keys the cache holds. */
    void first(Tensor logits) {
        cache.uploadSegments();
        choose(logits);
    }

    /** Queues so many more steps. */
    void run(int steps) {
        for (int i = 0; i < steps; i++) {
            if (graph != null) {
                graph.launch();
            } else {
                step();
                // Having run once, a step finds all workspaces as large as it needs them.
                graph = record ? model.engine().record(this::step) : null;
            }
        }
    }

    private void step() {
        layers.run(buffers, this::attend);
        choose(buffers.logits());
    }

    /** All sequences stand at one place of the cache. */
    private void attend(Ops ops, DecodeBuffers b, int layer) {
        layers.attend(ops, layer, cache, b, b.keyPosition());
    }

    /** The next tokens from the logits; then everything stands one token further. */
    private void choose(Tensor logits) {
        Ops ops = model.engine().ops();
        DecodeBuffers b = buffers;
        if (b.uniforms() != null && b.uniform() != null) {
            ops.elementwise().gatherRows(b.uniform(), b.uniforms(), b.step());
        }
        ops.sampling().sample(b.ids(), logits, b.uniform() == null ? null : b.uniform().view(batch), (float) options.temperature(),
            options.topK(), (float) options.topP());
        ops.decoding().decodeAdvance(b.history(), b.positions(), b.keyPosition(), b.step(), b.ids());
    }

    /** What was chosen in the steps [from, from + count), the first new token being step 0: row by row [count, batch]. Waits for them. */
    int[] chosen(int from, int count) {
        return buffers.history().rows(from, count).toIntArray();
    }

    /** Those of the latest step [batch, vocab_size] F32. */
    Tensor logits() {
        return buffers.logits();
    }

    @Override
    public void close() {
        if (graph != null) {
            graph.close();
        }
        memory.close();
        layers.close();
    }
}
