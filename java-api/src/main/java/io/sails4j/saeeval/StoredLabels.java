package io.sails4j.saeeval;

import io.sails4j.InputException;
import io.sails4j.io.NpzFile;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.io.TensorPlace;
import io.sails4j.saetrain.StoredActivations;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import java.util.Collection;
import java.util.function.Function;

/**
 * Labels of the vectors of a file, one a vector.
 *
 * @param name of the file and the tensor, for sentences
 * @param labels negative where a vector has none
 */
public record StoredLabels(String name, int[] labels) {
    /**
     * Reads labels.
     *
     * @param where {@code FILE} or {@code FILE:TENSOR} of a safetensors or npz file; the name may be left out where one I32 tensor is there
     */
    public static StoredLabels read(String where) {
        TensorPlace place = TensorPlace.parse(where);
        if (place.path().toString().endsWith(".npz")) {
            try (NpzFile file = NpzFile.open(place.path())) {
                return read(place, file.names(), file::array);
            }
        }
        try (SafetensorsFile file = SafetensorsFile.open(place.path())) {
            return read(place, file.names(), file::tensor);
        }
    }

    private static StoredLabels read(TensorPlace place, Collection<String> names, Function<String, HostTensor> tensors) {
        String name = place.nameAmong(names, tensors, type -> type == DType.I32, "I32");
        place.requireAmong(names, name);
        HostTensor tensor = tensors.apply(name);
        if (tensor.dtype() != DType.I32 || tensor.shape().rank() != 1) {
            throw new InputException(place.path() + ":" + name + " is " + tensor.dtype() + " " + tensor.shape()
                + ", expected I32 labels [n], one a vector, negative where a vector has none");
        }
        return new StoredLabels(place.path() + ":" + name, tensor.toIntArray());
    }

    /** The labels of the first vectors that a file gives, in its order. */
    int[] of(StoredActivations vectors, int n) {
        if (labels.length != vectors.rows()) {
            throw new InputException(name + " has " + labels.length + " labels, but " + vectors.name() + " has " + vectors.rows()
                + " vectors; expected one a vector");
        }
        long[] rows = vectors.peekedRows(n);
        int[] of = new int[rows.length];
        for (int i = 0; i < of.length; i++) {
            of[i] = labels[Math.toIntExact(rows[i])];
        }
        return of;
    }
}
