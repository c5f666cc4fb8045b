package io.sails4j.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.sails4j.InputException;
import java.nio.file.Path;

/** What every refused input has in common: one sentence that names the place and the decisive parts. */
public final class RefusedInput {
    private RefusedInput() {
    }

    /** A piece of work that must be refused. */
    @FunctionalInterface
    public interface Work {
        void run() throws Exception;
    }

    /** Asserts an {@link InputException} of one line that names {@code where} and contains each part. */
    public static void input(Work work, Path where, String... parts) {
        Throwable thrown = catchThrowable(work::run);
        assertThat(thrown).isInstanceOf(InputException.class);
        assertThat(thrown.getMessage()).contains(where.toString()).contains(parts).doesNotContain("\n").doesNotContain("null");
    }
}
