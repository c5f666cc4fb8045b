package io.sails4j.saetrain;

import io.sails4j.InputException;
import io.sails4j.options.OptionValue;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/**
 * The widths of the nested prefixes of a Matryoshka autoencoder (arXiv:2503.17547), without its own.
 *
 * @param widths rising, empty for none
 */
public record PrefixWidths(List<Integer> widths) implements OptionValue {
    /** No prefixes: an ordinary autoencoder. */
    public static final PrefixWidths NONE = new PrefixWidths(List.of());
    private static final String OFF = "off";

    public PrefixWidths {
        widths = List.copyOf(widths);
        for (int i = 0; i < widths.size(); i++) {
            if (widths.get(i) <= (i == 0 ? 0 : widths.get(i - 1))) {
                throw new InputException("matryoshka is " + widths + ", expected rising widths, 1 or more");
            }
        }
    }

    /** Reads {@code 64,256} or {@code off}. */
    public static PrefixWidths parse(String text) {
        if (text.equals(OFF)) {
            return NONE;
        }
        if (!text.matches("\\d{1,9}(,\\d{1,9})*")) {
            throw new InputException("matryoshka is '" + text + "', expected rising widths as N,N,… or off");
        }
        return new PrefixWidths(Arrays.stream(text.split(",")).map(Integer::valueOf).toList());
    }

    @Override
    public String spelling() {
        return widths.isEmpty() ? OFF : widths.stream().map(String::valueOf).collect(Collectors.joining(","));
    }
}
