package io.sails4j.sae;

import io.sails4j.InputException;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Shape;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;

/** sparsify's arrays in the form that {@link Sae} computes with: encoder.weight [d_sae, d_in] becomes W_enc [d_in, d_sae]. */
final class SparsifyArrays {
    private static final String ENCODER = "encoder.weight";
    private static final String BIAS = "encoder.bias";

    private SparsifyArrays() {
    }

    /** The arrays by {@link SaeFiles}' names; W_enc in memory of the arena, the others in the file. */
    static Map<String, HostTensor> read(SafetensorsFile file, SaeConfig config, Arena arena) {
        TreeSet<String> others = new TreeSet<>(file.names());
        List.of(ENCODER, BIAS, "W_dec", "b_dec").forEach(others::remove);
        if (!others.isEmpty()) {
            throw new InputException(file.path() + " has the array '" + others.first() + "', which a sparsify SAE of topk does not use");
        }
        ArrayFile stored = new ArrayFile(file, "sparsify");
        Shape dIn = Shape.of(config.dIn());
        Shape dSae = Shape.of(config.dSae());
        Shape matrix = Shape.of(config.dSae(), config.dIn());
        Map<String, HostTensor> arrays = new TreeMap<>();
        arrays.put("b_enc", stored.require(BIAS, dSae));
        arrays.put("W_dec", stored.require("W_dec", matrix));
        arrays.put("b_dec", stored.require("b_dec", dIn));
        double[] unscaled = ArenaArrays.ones((int) config.dSae());
        arrays.put("W_enc", new ArenaArrays(arena).transposed(stored.require(ENCODER, matrix), unscaled, true));
        return arrays;
    }
}
