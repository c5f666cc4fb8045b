package io.sails4j.lora;

import io.sails4j.io.AtomicFiles;
import io.sails4j.model.LowRankAdapter;
import io.sails4j.model.ModelConfig;
import io.sails4j.model.ModelWeights;
import io.sails4j.model.ModuleKey;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** Folds an adapter into the base weights: W + scale * lora_B lora_A, computed in F32 and rounded once to the checkpoint's type. */
public final class LoraMerge {
    private LoraMerge() {
    }

    /** Adds the adapter to F32 weights in place. */
    public static void apply(ModelWeights weights, Map<ModuleKey, LowRankAdapter> adapter, Engine engine) {
        if (weights.computeDtype() != DType.F32) {
            throw new IllegalArgumentException("merging needs weights in F32, got " + weights.computeDtype());
        }
        adapter.forEach((module, factors) -> {
            Tensor weight = weights.parameter(module.path() + ".weight");
            engine.ops().matmul(weight, factors.loraB(), factors.loraA(), false, false, factors.scale(), 1);
            if (factors.dora() != null) {
                scaleRows(weight, factors.dora().magnitude().toFloatArray());
            }
        });
    }

    /** Gives each row its length. */
    private static void scaleRows(Tensor weight, float[] magnitude) {
        float[] values = weight.toFloatArray();
        int d = values.length / Math.max(1, magnitude.length);
        for (int i = 0; i < magnitude.length; i++) {
            double squares = 0;
            for (int j = 0; j < d; j++) {
                squares += (double) values[i * d + j] * values[i * d + j];
            }
            double factor = magnitude[i] / Math.sqrt(squares);
            for (int j = 0; j < d; j++) {
                values[i * d + j] = (float) (values[i * d + j] * factor);
            }
        }
        weight.upload(values);
    }

    /** Writes a checkpoint directory with the adapters folded in, each times its weight (-1 takes out what was merged before), and the base's tokenizer files beside it. */
    public static void merge(Path base, List<WeightedAdapter> adapters, Path target, Engine engine) {
        AtomicFiles.requireFresh(target);
        ModelConfig config = ModelConfig.read(base);
        try (ModelWeights weights = ModelWeights.load(base, config, engine, DType.F32, true)) {
            for (WeightedAdapter asked : adapters) {
                try (LoraAdapter adapter = LoraAdapter.load(asked.directory(), config, engine)) {
                    apply(weights, asked.modules(adapter), engine);
                }
            }
            AtomicFiles.writeDirectory(target, directory -> {
                weights.writeInto(directory, engine);
                copyTokenizer(base, directory);
            });
        }
    }

    private static void copyTokenizer(Path base, Path directory) throws IOException {
        try (Stream<Path> files = Files.list(base)) {
            for (Path file : files.toList()) {
                String name = file.getFileName().toString();
                if (name.startsWith("tokenizer") || name.startsWith("special_tokens") || name.equals("generation_config.json")) {
                    Files.copy(file, directory.resolve(name));
                }
            }
        }
    }
}
