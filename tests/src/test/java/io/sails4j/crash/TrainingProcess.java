package io.sails4j.crash;

import io.sails4j.data.Progress;
import io.sails4j.demo.DemoWorld;
import io.sails4j.ops.Engine;
import io.sails4j.testing.Backends;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** {@code sails align} on a small model in a process of its own, which can be killed. */
final class TrainingProcess {
    private final Path root;
    private final List<String> options;

    /** @param options beside the model, the data, the output and small batches */
    TrainingProcess(Path root, String... options) {
        this.root = root;
        this.options = List.of(options);
    }

    /** Makes the model and the data. */
    static void makeWorld(Path root) {
        try (Engine engine = Backends.open("cpu", 1)) {
            new DemoWorld(root).make(engine, new DemoWorld.Size(32, 2, 16, 48, 280, 1, 32, 2), 24, 5, Progress.none());
        }
    }

    /**
     * How a process ended.
     *
     * @param exit its exit code
     * @param output of standard output and standard error
     */
    record Ended(int exit, String output) {
    }

    /** The command line, beginning with its command. */
    List<String> arguments(Path out) {
        List<String> arguments = new ArrayList<>(
            List.of("align", "--backend", "cpu", "--threads", "1", "--method", "lora", "-r", "4", "--model",
                root.resolve("model").toString(), "--data", root.resolve("preferences.jsonl").toString(), "--out", out.toString(),
                "--batch-tokens", "120",
                "--micro-batch-tokens", "120", "--max-length", "48", "--eval-pairs", "2", "--lr", "5e-3", "--peak-tflops", "1"));
        arguments.addAll(options);
        return arguments;
    }

    Process start(Path out, boolean resume, Map<String, String> environment) throws IOException {
        List<String> arguments = new ArrayList<>(arguments(out));
        if (resume) {
            arguments.add("--resume");
        }
        ProcessBuilder builder = sails(arguments);
        builder.environment().putAll(environment);
        return builder.start();
    }

    /** A command line in a process of its own. */
    static ProcessBuilder sails(List<String> arguments) {
        List<String> command = new ArrayList<>(
            List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
                "-XX:+UnlockDiagnosticVMOptions", "-XX:-BytecodeVerificationRemote", "--enable-native-access=ALL-UNNAMED"));
        String libraries = System.getProperty("sails.library.dir");
        if (libraries != null) {
            command.add("-Dsails.library.dir=" + libraries);
        }
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), "io.sails4j.cli.Main"));
        command.addAll(arguments);
        return new ProcessBuilder(command).redirectErrorStream(true);
    }

    Ended run(Path out, boolean resume, Map<String, String> environment) throws IOException, InterruptedException {
        Process process = start(out, resume, environment);
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Ended(process.waitFor(), output);
    }
}
