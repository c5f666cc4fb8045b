package io.sails4j.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.tensor.DType;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Options of every command. */
final class CommonOptions {
    private static final ObjectMapper JSON = new ObjectMapper();

    @Spec(Spec.Target.MIXEE)
    private CommandSpec command;

    @Option(names = "--backend", defaultValue = "auto", paramLabel = "auto|cpu|cuda|emulator",
        description = "compute backend (default: cuda where a driver answers, else cpu; the choice is printed)")
    private String backend;

    @Option(names = "--backend-options", defaultValue = "", paramLabel = "KEY=VALUE,…",
        description = "for a named backend: cpu isa=avx512|avx2|generic, matmul=onednn|own (default: the faster by shape);"
            + " cuda memory_mib=N, head_mib=N (for logits),"
            + " kernels=hopper|portable (default: what the card can), clusters=on|off (of hopper: blocks that share what"
            + " they read), early=on|off (kernels of a decoding step start before those before have ended),"
            + " multiprocessors=N (to choose for),"
            + " matmul=own|cublaslt (plain dense products), cublaslt=PATH (of its library);"
            + " emulator the same and seed=N (order of threads)")
    private String backendOptions;

    @Option(names = "--dtype", paramLabel = "f32|bf16",
        description = "compute type of weights and matmul inputs (default: the checkpoint's)")
    private @Nullable String dtype;

    @Option(names = "--threads", defaultValue = "0", paramLabel = "N", description = "threads (default: as many as the process may use)")
    private int threads;

    @Option(names = "--seed", defaultValue = "0", paramLabel = "N", description = "seed of everything random (default: ${DEFAULT-VALUE})")
    private long seed;

    @Option(names = "--json", description = "print one JSON object on standard output instead of the table")
    private boolean json;

    /** Opens the engine that the options ask for and says on standard error which it is. */
    Engine openEngine() {
        if (!backend.matches("auto|cpu|cuda|emulator")) {
            throw wrong("--backend is '" + backend + "'; expected auto, cpu, cuda or emulator");
        }
        if (threads < 0) {
            throw wrong("--threads is " + threads + "; expected 0 (all) or more");
        }
        if (!backendOptions.isEmpty() && backend.equals(EngineOptions.AUTO)) {
            throw wrong("--backend-options is '" + backendOptions + "' but no backend is named; add --backend cpu, cuda or emulator");
        }
        Engine engine = Engine.open(engineOptions());
        message("backend: " + engine.backendChoice());
        return engine;
    }

    /** What {@link #openEngine} opens, for whoever opens it more than once. */
    EngineOptions engineOptions() {
        return new EngineOptions(backend, threads, backendOptions);
    }

    /** The compute type asked for, or null for the checkpoint's. */
    @Nullable
    DType dtype() {
        if (dtype == null) {
            return null;
        }
        return switch (dtype.toLowerCase(Locale.ROOT)) {
            case "f32" -> DType.F32;
            case "bf16" -> DType.BF16;
            default -> throw wrong("--dtype is '" + dtype + "'; expected f32 or bf16");
        };
    }

    long seed() {
        return seed;
    }

    int threads() {
        return threads;
    }

    String backend() {
        return backend;
    }

    boolean json() {
        return json;
    }

    /** A message to the person at the terminal: standard error, so that standard output holds the result alone. */
    void message(String text) {
        command.commandLine().getErr().println(text);
        command.commandLine().getErr().flush();
    }

    /** A part of a line, on standard error too. */
    void messagePart(String text) {
        command.commandLine().getErr().print(text);
        command.commandLine().getErr().flush();
    }

    /** An error of the options, exit code 2. */
    ParameterException wrong(String sentence) {
        return new ParameterException(command.commandLine(), sentence);
    }

    ProgressBar progress(String label) {
        return new ProgressBar(label, command.commandLine().getErr());
    }

    static ObjectNode object() {
        return JSON.createObjectNode();
    }

    /** Prints the result: the JSON object where {@code --json} was given, else the table. */
    void print(ObjectNode result, Table table) {
        var out = command.commandLine().getOut();
        if (json) {
            out.println(result);
        } else {
            out.print(table.render());
        }
        out.flush();
    }

    /** Prints text on standard output, for commands whose result is text. */
    void printText(String text) {
        var out = command.commandLine().getOut();
        out.print(text);
        out.flush();
    }
}
