package io.sails4j.lora;

import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.config.ModuleKey;
import io.sails4j.files.AtomicFiles;
import io.sails4j.io.ShardedTensors;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.LowRankAdapter;
import io.sails4j.model.ModelWeights;
import io.sails4j.model.WeightFormat;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Folds adapters into the base weights: W + scale * lora_B lora_A, computed in F32 and rounded once, to nearest even, to the type that is
 * written.
 */
public final class LoraMerge {
    private LoraMerge() {
    }

    /** Adds the adapter to F32 weights in place. */
    public static void apply(ModelWeights weights, Map<ModuleKey, LowRankAdapter> adapter, Engine engine) {
        if (weights.computeDtype() != DType.F32) {
            throw new IllegalArgumentException("merging needs weights in F32, got " + weights.computeDtype());
        }
        adapter.forEach((module, factors) -> FoldedRows.add(weights.parameter(module.path() + ".weight"), factors, 0, engine));
    }

    /** Adds an adapter to rows of a weight: {@code rows [n, d_in]} F32 begins at the weight's row {@code from}. */
    public static void addTo(Tensor rows, LowRankAdapter adapter, long from, Engine engine) {
        FoldedRows.add(rows, adapter, from, engine);
    }

    /** {@link #merge(Path, List, Path, DType, Engine, MergeListener)} in the checkpoint's own types, unheard. */
    public static void merge(Path base, List<WeightedAdapter> adapters, Path target, Engine engine) {
        merge(base, adapters, target, null, engine, MergeListener.NONE);
    }

    /**
     * Writes a checkpoint directory with the adapters folded in, each times its weight (-1 takes out what was merged before): the same
     * shards with the same tensors and metadata as the original, its configuration and its tokenizer.
     *
     * @param dtype F32 or BF16 for all tensors; null leaves each its own
     */
    public static void merge(Path base, List<WeightedAdapter> adapters, Path target, @Nullable DType dtype, Engine engine,
        MergeListener listener) {
        AtomicFiles.requireFresh(target);
        ModelConfig config = ModelConfig.read(base);
        List<LoraAdapter> opened = new ArrayList<>();
        try (ShardedTensors checkpoint = ShardedTensors.open(base)) {
            ModelWeights.requireComplete(base, checkpoint, config);
            if (ModelWeights.formatOf(checkpoint, config) != WeightFormat.CHECKPOINT) {
                throw new InputException(base + " is quantized, and rounding what is merged would lose most of an adapter; merge into the"
                    + " checkpoint that it was made from, then quantize that one");
            }
            List<Map<ModuleKey, LowRankAdapter>> modules = new ArrayList<>();
            for (WeightedAdapter asked : adapters) {
                opened.add(LoraAdapter.load(asked.directory(), config, engine));
                opened.getLast().notes().forEach(listener::note);
                modules.add(asked.modules(opened.getLast()));
            }
            MergedCheckpoint merged = new MergedCheckpoint(checkpoint, new AdapterStack(modules), dtype, engine, listener);
            AtomicFiles.writeDirectory(target, directory -> merged.writeInto(directory, base));
        } finally {
            opened.forEach(LoraAdapter::close);
        }
    }
}
