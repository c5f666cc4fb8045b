package io.sails4j.io;

import io.sails4j.InputException;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * A tensor of a file, as people name it: {@code FILE:TENSOR}, or {@code FILE} alone where it has one floating-point tensor.
 *
 * @param name null where it was left out
 */
public record TensorPlace(Path path, @Nullable String name) {
    private static final int SHOWN = 6;

    /** Reads the words; a file whose own name has a colon is taken whole. */
    public static TensorPlace parse(String text) {
        int colon = text.lastIndexOf(':');
        return colon > 0 && !Files.exists(Path.of(text)) ? new TensorPlace(Path.of(text.substring(0, colon)), text.substring(colon + 1))
            : new TensorPlace(Path.of(text), null);
    }

    /**
     * The name of a floating-point tensor.
     *
     * @param names of the file's tensors
     * @param read one of them
     * @throws InputException where it was left out and the file has none or several that it can be
     */
    public String nameAmong(Collection<String> names, Function<String, HostTensor> read) {
        return nameAmong(names, read, DType::isFloating, "floating-point");
    }

    /**
     * The same of a tensor of other types.
     *
     * @param kind of its types, for sentences
     */
    public String nameAmong(Collection<String> names, Function<String, HostTensor> read, Predicate<DType> types, String kind) {
        if (name != null) {
            return name;
        }
        List<String> possible = names.stream().filter(each -> types.test(read.apply(each).dtype())).toList();
        if (possible.isEmpty()) {
            throw new InputException(
                path + " has no " + kind + " tensor" + (names.isEmpty() ? "" : "; it has " + some(List.copyOf(names))));
        }
        if (possible.size() != 1) {
            throw new InputException(path + " has " + possible.size() + " " + kind + " tensors; name one: " + path + ":TENSOR ("
                + some(possible) + ")");
        }
        return possible.getFirst();
    }

    /** An error where a file has no tensor of a name. */
    public void requireAmong(Collection<String> names, String tensor) {
        if (!names.contains(tensor)) {
            throw new InputException(path + " has no tensor '" + tensor + "'; it has " + some(List.copyOf(names)));
        }
    }

    /** The first of some names, for sentences. */
    private static String some(List<String> names) {
        return String.join(", ", names.subList(0, Math.min(SHOWN, names.size()))) + (names.size() > SHOWN ? ", ..." : "");
    }
}
