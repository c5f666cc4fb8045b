package io.sails4j.sae;

import io.sails4j.InputException;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Shape;

/**
 * The arrays of one SAE as they are stored.
 *
 * @param format whose layout it is, for sentences
 */
record ArrayFile(SafetensorsFile file, String format) {
    /** An array that has to be there, in a shape and of a floating-point type. */
    HostTensor require(String name, Shape shape) {
        if (!file.contains(name)) {
            throw new InputException(
                file.path() + " lacks the array '" + name + "' of a " + format + " SAE; it has " + String.join(", ", file.names()));
        }
        HostTensor array = file.tensor(name);
        if (!array.shape().equals(shape)) {
            throw new InputException(file.path() + ": '" + name + "' has shape " + array.shape() + ", expected " + shape);
        }
        if (!array.dtype().isFloating()) {
            throw new InputException(file.path() + ": '" + name + "' has dtype " + array.dtype() + ", expected F32, BF16, F16 or F64");
        }
        return array;
    }
}
