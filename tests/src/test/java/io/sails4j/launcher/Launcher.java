package io.sails4j.launcher;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.jar.Attributes;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The archive's launcher over the classes under test, run by a shell in an environment that a test chooses. */
final class Launcher {
    /** Of a JVM that lives for a second: what it would compile or verify in that time costs more than it gives. */
    static final String JAVA_OPTIONS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:+UnlockDiagnosticVMOptions"
        + " -XX:-BytecodeVerificationRemote";
    private static final Path SCRIPT = Path.of("../dist/sails").toAbsolutePath().normalize();
    private static final String TOKENIZERS = "/native/lib/linux-x86_64/cpu/libtokenizers.so";

    private final Path home;

    private Launcher(Path home) {
        this.home = home;
    }

    /** Lays a directory out as the archive is: the Java of this process, and one jar that names the test's class path. */
    static Launcher in(Path home) throws IOException {
        Files.createDirectories(home.resolve("bin"));
        Files.copy(SCRIPT, home.resolve("bin/sails"));
        home.resolve("bin/sails").toFile().setExecutable(true);
        Files.createSymbolicLink(home.resolve("runtime"), Path.of(System.getProperty("java.home")));
        Path lib = Files.createDirectories(home.resolve("lib"));
        String libraries = System.getProperty("sails.library.dir", System.getenv().getOrDefault("SAILS_LIBRARY_DIR", ""));
        Path natives = Files.createDirectories(lib.resolve("native"));
        if (!libraries.isEmpty()) {
            try (Stream<Path> files = Files.list(Path.of(libraries))) {
                for (Path file : files.toList()) {
                    Files.createSymbolicLink(natives.resolve(file.getFileName()), file.toAbsolutePath());
                }
            }
        }
        try (InputStream tokenizers = Launcher.class.getResourceAsStream(TOKENIZERS)) {
            Files.copy(Objects.requireNonNull(tokenizers), natives.resolve("libtokenizers.so"));
        }
        Manifest manifest = new Manifest();
        manifest.getMainAttributes().put(Attributes.Name.MANIFEST_VERSION, "1.0");
        manifest.getMainAttributes().put(Attributes.Name.CLASS_PATH, Arrays.stream(System.getProperty("java.class.path")
            .split(File.pathSeparator)).map(entry -> Path.of(entry).toUri().toString()).collect(Collectors.joining(" ")));
        try (OutputStream out = Files.newOutputStream(lib.resolve("classes.jar"));
             JarOutputStream jar = new JarOutputStream(out, manifest)) {
            jar.finish();
        }
        return new Launcher(home);
    }

    /**
     * How a command ended.
     *
     * @param exit the exit code
     * @param out standard output
     * @param err standard error
     */
    record Ended(int exit, String out, String err) {
    }

    /**
     * Runs {@code env ENVIRONMENT sails ARGUMENTS REDIRECTION} in a shell.
     *
     * @param environment words for {@code env}: {@code -i}, {@code -u NAME}, {@code NAME=value}
     * @param redirection as a shell takes it, {@code >/dev/full}
     */
    Ended run(String environment, String redirection, String... arguments) throws IOException, InterruptedException {
        Path err = Files.createTempFile(home, "err-", ".txt");
        Process process = start(err, environment, redirection, arguments);
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Ended(process.waitFor(), out, Files.readString(err, StandardCharsets.UTF_8));
    }

    /** As {@link #run}, without waiting for the end; the process is the command's own. */
    Process start(Path err, String environment, String redirection, String... arguments) throws IOException {
        Path script = Files.createTempFile(home, "case-", ".sh");
        List<String> words = new ArrayList<>(List.of("exec env", environment, quoted(home.resolve("bin/sails").toString())));
        Arrays.stream(arguments).map(Launcher::quoted).forEach(words::add);
        words.add(redirection);
        Files.writeString(script, String.join(" ", words) + "\n", StandardCharsets.UTF_8);
        ProcessBuilder builder = new ProcessBuilder("sh", script.toString()).redirectError(err.toFile());
        builder.environment().put("SAILS_JAVA_OPTS", JAVA_OPTIONS);
        return builder.start();
    }

    private static String quoted(String word) {
        return "'" + word.replace("'", "'\\''") + "'";
    }
}
