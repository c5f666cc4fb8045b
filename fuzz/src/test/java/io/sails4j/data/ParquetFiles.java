package io.sails4j.data;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;

/** Parquet files for the fuzzer: its library's threads may end without a word, and a fuzzer does not wait for them as long as people do. */
public final class ParquetFiles {
    private static final Duration STALLED = Duration.ofMillis(300);

    private ParquetFiles() {
    }

    /** Reads all rows. */
    public static void read(Path file) throws IOException {
        ParquetRows.forEach(file, _ -> true, (_, _) -> {}, STALLED);
    }
}
