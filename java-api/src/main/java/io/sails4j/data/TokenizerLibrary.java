package io.sails4j.data;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import io.sails4j.files.CacheDirectory;
import io.sails4j.files.JsonFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Opens tokenizers of DJL. It is told by system properties that it shall fetch nothing, report nothing, and where its native library may
 * lie. They stand only while a tokenizer is opened, and never in place of what the host has set: the rest of the JVM may use DJL in its own
 * way.
 */
final class TokenizerLibrary {
    /** Any of these says where the native library is or may be copied to; DJL reads the environment, then properties. */
    private static final String[] PLACES = {"RUST_LIBRARY_PATH", "ENGINE_CACHE_DIR", "DJL_CACHE_DIR"};
    /** For a file that must be given as a stream, what the builder is told by name. */
    private static final Map<String, String> IDS_OF_THE_TEXT_ALONE = Map.of("addSpecialTokens", "false", "truncation", "false", "padding",
        "false");
    private static final Object LOCK = new Object();
    /** Whether the native library is there: it is looked for once in a process. */
    private static boolean loaded;

    private TokenizerLibrary() {
    }

    static HuggingFaceTokenizer open(Path file) throws IOException {
        synchronized (LOCK) {
            Map<String, String> wanted = new LinkedHashMap<>();
            // DJL would otherwise fetch another build of its library where there is CUDA, and report every start from Amazon's machines.
            wanted.put("ai.djl.offline", "true");
            if (!loaded && Stream.of(PLACES).noneMatch(name -> System.getenv(name) != null || System.getProperty(name) != null)) {
                wanted.put("ENGINE_CACHE_DIR", CacheDirectory.forLibraries().resolve("djl").toString());
            }
            Map<String, @Nullable String> before = new LinkedHashMap<>();
            wanted.forEach((name, value) -> before.put(name, System.setProperty(name, value)));
            try {
                HuggingFaceTokenizer opened = JsonFiles.hasMark(file)
                    ? HuggingFaceTokenizer.newInstance(JsonFiles.withoutMark(file), IDS_OF_THE_TEXT_ALONE)
                    : HuggingFaceTokenizer.builder().optTokenizerPath(file).optAddSpecialTokens(false).optTruncation(false)
                        .optPadding(false).build();
                loaded = true;
                return opened;
            } finally {
                before.forEach(TokenizerLibrary::restore);
            }
        }
    }

    private static void restore(String name, @Nullable String value) {
        if (value == null) {
            System.clearProperty(name);
        } else {
            System.setProperty(name, value);
        }
    }
}
