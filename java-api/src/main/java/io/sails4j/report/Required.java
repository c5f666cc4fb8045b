package io.sails4j.report;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** What a file must say, and lists that it may leave out. */
final class Required {
    private Required() {
    }

    /** An error that names the key, which the reader of the file completes by the place. */
    static void present(@Nullable Object value, String key) {
        if (value == null) {
            throw new IllegalArgumentException("'" + key + "' is missing, expected a value");
        }
    }

    static <T> List<T> orEmpty(@Nullable List<T> values) {
        return values == null ? List.of() : List.copyOf(values);
    }
}
