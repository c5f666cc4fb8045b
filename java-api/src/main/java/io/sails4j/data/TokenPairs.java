package io.sails4j.data;

import io.sails4j.InputException;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.tensor.Shape;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Reads pairs that were tokenised before: {@code aligned.input_ids}, {@code .attention_mask}, {@code .token_mask} [N, T] and the same
 * under {@code unaligned.}.
 */
public final class TokenPairs {
    private TokenPairs() {
    }

    /** Whether a path is named as such a file. */
    public static boolean isTokenFile(Path path) {
        return path.toString().endsWith(".safetensors");
    }

    /**
     * Reads all pairs.
     *
     * @throws InputException where the file is not of this form
     */
    public static List<TokenPair> read(Path path) {
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            List<TokenSequence> aligned = side(file, "aligned.");
            List<TokenSequence> unaligned = side(file, "unaligned.");
            if (aligned.size() != unaligned.size()) {
                throw new InputException(
                    path + " has " + aligned.size() + " aligned and " + unaligned.size() + " unaligned sequences, expected as many");
            }
            List<TokenPair> pairs = new ArrayList<>();
            for (int i = 0; i < aligned.size(); i++) {
                pairs.add(new TokenPair(aligned.get(i), unaligned.get(i)));
            }
            return pairs;
        }
    }

    private static List<TokenSequence> side(SafetensorsFile file, String prefix) {
        Shape shape = file.tensor(prefix + "input_ids").shape();
        if (shape.rank() != 2) {
            throw new InputException(file.path() + ": " + prefix + "input_ids has shape " + shape + ", expected [sequences, length]");
        }
        int[] ids = ints(file, prefix + "input_ids", shape);
        int[] mask = ints(file, prefix + "attention_mask", shape);
        int[] counted = ints(file, prefix + "token_mask", shape);
        int length = (int) shape.dim(1);
        List<TokenSequence> sequences = new ArrayList<>();
        for (int n = 0; n < shape.dim(0); n++) {
            sequences.add(row(ids, mask, counted, n * length, length, Origin.row(file.path(), n + 1)));
        }
        return sequences;
    }

    private static int[] ints(SafetensorsFile file, String name, Shape shape) {
        var tensor = file.tensor(name);
        if (!tensor.shape().equals(shape) || tensor.dtype().isFloating()) {
            throw new InputException(
                file.path() + ": " + name + " is " + tensor.dtype() + " " + tensor.shape() + ", expected integers " + shape);
        }
        try {
            return tensor.toIntArray();
        } catch (ArithmeticException e) {
            throw new InputException(file.path() + ": " + name + " holds a number past 32 bits", e);
        }
    }

    /** Padding is left out; it comes back when batches are made. */
    private static TokenSequence row(int[] ids, int[] mask, int[] counted, int from, int length, Origin origin) {
        int n = 0;
        for (int t = 0; t < length; t++) {
            n += mask[from + t] != 0 ? 1 : 0;
        }
        int[] kept = new int[n];
        boolean[] marks = new boolean[n];
        int at = 0;
        for (int t = 0; t < length; t++) {
            if (mask[from + t] != 0) {
                kept[at] = ids[from + t];
                marks[at++] = counted[from + t] != 0;
            }
        }
        return new TokenSequence(kept, marks, origin);
    }
}
