package io.sails4j.explain;

import io.sails4j.files.FileHash;
import java.nio.file.Path;

/** What something was computed from: where it lay, and its content. */
public record Source(Path path, String sha256) {
    /** A file or a directory as it is now; reads all of it. */
    public static Source of(Path path) {
        return new Source(path, FileHash.sha256(path));
    }
}
