package io.sails4j.model;

import io.sails4j.config.ModelConfig;
import io.sails4j.config.ModuleKey;
import io.sails4j.ops.Engine;
import io.sails4j.ops.Ops;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import org.jspecify.annotations.Nullable;

/**
 * What all blocks of one forward and backward share. Memory: {@code kept} lives until the pass is closed, {@code scratch} within a block.
 */
record PassState(Engine engine, ModelConfig config, DType computeDtype, TensorArena kept, TensorArena scratch, AdapterStack adapters,
    BatchTensors in, Tensor ropeTable, @Nullable PassCache cache, boolean frozenWeights) {
    Ops ops() {
        return engine.ops();
    }

    TokenBatch batch() {
        return in.batch();
    }

    Tensor segments() {
        return in.segments();
    }

    long tokens() {
        return batch().size();
    }

    /** Whether some gradient is a product with the module's input: that of its weight, or of an adapter. */
    boolean needsInput(ModuleKey module) {
        return !frozenWeights || adapters.adapters().stream().anyMatch(adapter -> adapter.containsKey(module));
    }
}
