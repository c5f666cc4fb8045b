package io.sails4j.report;

import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/**
 * Where a part is from.
 *
 * @param directory that was named
 * @param file that was read there
 * @param sha256 of the file
 * @param hashes of what it was made from, by what that is: {@code arms.base.model}
 * @param settings of the run that wrote it, by their names
 */
public record PartOrigin(String directory, String file, String sha256, SequencedMap<String, String> hashes,
    SequencedMap<String, String> settings) {
    public PartOrigin {
        hashes = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(hashes));
        settings = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(settings));
    }

    /** The last name of the directory's path. */
    public String name() {
        @Nullable
        Path name = Path.of(directory).getFileName();
        return name == null ? directory : name.toString();
    }
}
