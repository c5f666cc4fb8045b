package io.sails4j.trace;

import io.sails4j.InputException;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.model.Labels;
import io.sails4j.model.TokenBatch;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Shape;
import java.nio.file.Path;

/**
 * A batch file: safetensors with {@code input_ids [B, T]}, {@code attention_mask [B, T]} and optionally {@code labels [B, T]}
 * (-100 = not counted) and {@code position_ids [B, T]}, all integers.
 */
public final class BatchFile {
    private BatchFile() {
    }

    /** The batch, with targets where the file has labels. */
    public static TokenBatch read(Path path) {
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            Shape shape = file.tensor("input_ids").shape();
            if (shape.rank() != 2 || shape.numel() == 0 || shape.numel() > Integer.MAX_VALUE) {
                throw new InputException(path + ": input_ids has shape " + shape + ", expected [batch, length] with at least one token");
            }
            int batch = (int) shape.dim(0);
            int length = (int) shape.dim(1);
            int[] ids = ints(file, "input_ids", shape);
            TokenBatch tokens = TokenBatch.of(batch, length, ids, mask(file, shape));
            if (file.contains("position_ids")) {
                tokens = new TokenBatch(batch, length, ids, tokens.segments(), notNegative(file, "position_ids", shape, false));
            }
            return file.contains("labels") ? tokens.withLabels(notNegative(file, "labels", shape, true)) : tokens;
        }
    }

    private static int[] mask(SafetensorsFile file, Shape shape) {
        int[] mask = ints(file, "attention_mask", shape);
        for (int m : mask) {
            if (m != 0 && m != 1) {
                throw new InputException(file.path() + ": attention_mask holds " + m + ", expected 0 and 1");
            }
        }
        return mask;
    }

    private static int[] notNegative(SafetensorsFile file, String name, Shape shape, boolean ignoreIndex) {
        int[] values = ints(file, name, shape);
        for (int value : values) {
            if (value < 0 && !(ignoreIndex && value == Labels.IGNORE_INDEX)) {
                throw new InputException(file.path() + ": " + name + " holds " + value + ", expected 0 or more"
                    + (ignoreIndex ? ", or " + Labels.IGNORE_INDEX + " for a token that is not counted" : ""));
            }
        }
        return values;
    }

    private static int[] ints(SafetensorsFile file, String name, Shape shape) {
        HostTensor tensor = file.tensor(name);
        if (!tensor.shape().equals(shape)) {
            throw new InputException(file.path() + ": " + name + " has shape " + tensor.shape() + ", input_ids has " + shape);
        }
        if (tensor.dtype().isFloating()) {
            throw new InputException(file.path() + ": " + name + " has dtype " + tensor.dtype() + ", expected integers");
        }
        try {
            return tensor.toIntArray();
        } catch (ArithmeticException e) {
            throw new InputException(file.path() + ": " + name + " holds a number past 32 bits", e);
        }
    }
}
