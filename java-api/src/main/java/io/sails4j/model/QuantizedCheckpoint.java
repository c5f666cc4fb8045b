package io.sails4j.model;

import io.sails4j.files.AtomicFiles;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.TensorArena;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** Writes checkpoints whose big matrices have 8 or 4 bits a weight. Every command and {@link CausalModel#load} open them. */
public final class QuantizedCheckpoint {
    private QuantizedCheckpoint() {
    }

    /**
     * A model's weights packed.
     *
     * @param importance what decides the scales of groups, null: the largest of a group
     * @return to be closed by the caller, or taken over by a model
     */
    public static ModelWeights pack(CausalModel model, WeightFormat format, @Nullable InputImportance importance) {
        if (format == WeightFormat.CHECKPOINT) {
            throw new IllegalArgumentException("packing needs a format, INT8 or INT4");
        }
        try (TensorArena memory = new TensorArena(model.engine().device())) {
            return model.weights().packed(format, name -> {
                memory.reset();
                return importance == null ? null : importance.of(name, memory);
            });
        }
    }

    /**
     * Writes packed weights as a checkpoint directory, which must not exist, with the tokenizer of another.
     *
     * @param engine of the weights
     * @param source the checkpoint that they were made from
     */
    public static void write(ModelWeights packed, Engine engine, Path source, Path target) {
        AtomicFiles.requireFresh(target);
        AtomicFiles.writeDirectory(target, directory -> {
            packed.writeInto(directory, engine);
            CheckpointCompanions.copy(source, directory);
        });
    }
}
