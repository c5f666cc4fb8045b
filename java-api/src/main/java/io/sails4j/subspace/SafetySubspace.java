package io.sails4j.subspace;

import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The safety subspace of each layer with an SAE. File: safetensors with {@code layer.N.basis [d_model, r_s] F32} (orthonormal columns),
 * {@code layer.N.feature_ids [k] I32}, {@code layer.N.scores [k] F32} by falling score, and the provenance as metadata. The same
 * subspace gives the same bytes.
 */
public record SafetySubspace(SortedMap<Integer, Layer> layers, Map<String, String> provenance) {
    /** What the metadata of a file says that it is. */
    static final String FORMAT = "sails4j.subspace.1";

    private static final Pattern NAME = Pattern.compile("layer\\.(0|[1-9]\\d{0,5})\\.(basis|feature_ids|scores)");
    private static final double ORTHONORMAL = 1e-4;

    public SafetySubspace {
        layers = Collections.unmodifiableSortedMap(new TreeMap<>(layers));
        provenance = Map.copyOf(provenance);
    }

    /**
     * The subspace of one layer's residual stream.
     *
     * @param basis [d_model * r_s], row-major
     * @param featureIds kept features by falling score
     */
    public record Layer(int dModel, int dimension, float[] basis, int[] featureIds, float[] scores) {
        public Layer {
            if (basis.length != (long) dModel * dimension) {
                throw new IllegalArgumentException("basis has " + basis.length + " entries, expected " + dModel + " * " + dimension);
            }
            if (featureIds.length != scores.length) {
                throw new IllegalArgumentException(featureIds.length + " feature ids and " + scores.length + " scores");
            }
        }
    }

    /** The layer's subspace, or that of the nearest layer that has one (the lower of two). */
    public Layer nearest(int layer) {
        int best = layers.firstKey();
        for (int candidate : layers.keySet()) {
            if (Math.abs(candidate - layer) < Math.abs(best - layer)) {
                best = candidate;
            }
        }
        return Objects.requireNonNull(layers.get(best));
    }

    /** Writes safetensors: the bases and what they were made from. */
    public void write(Path path) {
        SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
        layers.forEach((n, layer) -> {
            tensors.put("layer." + n + ".basis", HostTensor.ofFloats(layer.basis(), layer.dModel(), layer.dimension()));
            tensors.put("layer." + n + ".feature_ids", HostTensor.ofInts(layer.featureIds(), layer.featureIds().length));
            tensors.put("layer." + n + ".scores", HostTensor.ofFloats(layer.scores(), layer.scores().length));
        });
        SafetensorsWriter.write(path, tensors, provenance);
    }

    /** Reads a subspace file and checks it; with a model, also against its shape. */
    public static SafetySubspace read(Path path) {
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            SortedMap<Integer, Layer> layers = new TreeMap<>();
            for (String name : file.names()) {
                Matcher matcher = NAME.matcher(name);
                if (!matcher.matches()) {
                    throw new InputException(path + " is no subspace file: it has the tensor '" + name
                        + "', expected layer.N.basis, layer.N.feature_ids and layer.N.scores");
                }
                int n = Integer.parseInt(matcher.group(1));
                if (!layers.containsKey(n)) {
                    layers.put(n, layer(file, "layer." + n));
                }
            }
            if (layers.isEmpty()) {
                throw new InputException(path + " is no subspace file: it has no tensor layer.N.basis");
            }
            return new SafetySubspace(layers, file.metadata());
        }
    }

    private static Layer layer(SafetensorsFile file, String prefix) {
        HostTensor basis = file.tensor(prefix + ".basis");
        if (basis.shape().rank() != 2 || basis.dtype() != DType.F32 || basis.shape().dim(1) < 1
            || basis.shape().dim(1) > basis.shape().dim(0)) {
            throw new InputException(file.path() + ": " + prefix + ".basis is " + basis.dtype() + " " + basis.shape()
                + ", expected F32 [d_model, r_s] with 1 <= r_s <= d_model");
        }
        HostTensor ids = file.tensor(prefix + ".feature_ids");
        HostTensor scores = file.tensor(prefix + ".scores");
        if (ids.dtype() != DType.I32 || scores.dtype() != DType.F32 || ids.shape().rank() != 1 || !ids.shape().equals(scores.shape())) {
            throw new InputException(file.path() + ": " + prefix + ".feature_ids is " + ids.dtype() + " " + ids.shape() + " and " + prefix
                + ".scores " + scores.dtype() + " " + scores.shape() + ", expected I32 [k] and F32 [k]");
        }
        Layer layer = new Layer((int) basis.shape().dim(0), (int) basis.shape().dim(1), basis.toFloatArray(), ids.toIntArray(),
            scores.toFloatArray());
        requireOrthonormal(file.path(), prefix, layer);
        return layer;
    }

    private static void requireOrthonormal(Path path, String prefix, Layer layer) {
        int r = layer.dimension();
        for (int a = 0; a < r; a++) {
            for (int b = a; b < r; b++) {
                double dot = 0;
                for (int i = 0; i < layer.dModel(); i++) {
                    dot += (double) layer.basis()[i * r + a] * layer.basis()[i * r + b];
                }
                if (!(Math.abs(dot - (a == b ? 1 : 0)) < ORTHONORMAL)) {
                    throw new InputException(path + ": the columns of " + prefix + ".basis are not orthonormal (columns " + a + " and " + b
                        + " have the product " + dot + ")");
                }
            }
        }
    }

    /** An error unless the subspace fits a model. */
    public void requireModel(ModelConfig config, Path subspace, Path model) {
        layers.forEach((n, layer) -> {
            if (n >= config.nLayers()) {
                throw new InputException(
                    subspace + " has a subspace for layer " + n + ", but " + model + " has " + config.nLayers() + " layers");
            }
            if (layer.dModel() != config.dModel()) {
                throw new InputException(subspace + ": layer." + n + ".basis has d_model = " + layer.dModel() + ", but " + model + " has "
                    + config.dModel() + "; the subspace belongs to another model");
            }
        });
    }
}
