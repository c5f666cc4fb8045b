package io.sails4j.jmh;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;

/**
 * The boundary in one table: each way into native code by the call, and as a share of a decoded token of two layers of Gemma-2 2B in the
 * same run.
 */
final class BoundaryReport {
    private static final List<String> COMPILERS = List.of("cc", "gcc", "clang");

    private final Path module;
    private final PrintStream out;

    /** @param module the directory of this module, with {@code src/main/c/boundary.c} */
    BoundaryReport(Path module, PrintStream out) {
        this.module = module;
        this.out = out;
    }

    void print() throws IOException, InterruptedException, RunnerException {
        Optional<Path> library = compiled();
        double tokenNanos = 1e3 * mean(run(options("DecodeBench.steps"))).getFirst().score;
        List<Row> rows = new ArrayList<>();
        if (library.isPresent()) {
            rows.addAll(mean(run(options("BoundaryEmptyBench|BoundaryCopyBench")
                .jvmArgsAppend("--enable-native-access=ALL-UNNAMED", "-D" + Boundary.PROPERTY + "=" + library.get()))));
        }
        rows.addAll(mean(run(options("DowncallBench"))));
        List<Row> token = mean(run(options("DecodedTokenBench"))).stream()
            .map(row -> new Row(row.name, row.bytes, 1e3 * row.score, 1e3 * row.error))
            .toList();
        rows.addAll(token);
        out.printf(Locale.ROOT, "%nThe boundary. A decoded token of two layers of Gemma-2 2B took %.3f ms in this run.%n%n",
            tokenNanos * 1e-6);
        out.println("| call | bytes | ns | +- | of a token |");
        out.println("|---|--:|--:|--:|--:|");
        rows.forEach(row -> out.printf(Locale.ROOT, "| %s | %s | %.1f | %.1f | %.5f %% |%n", row.name, row.bytes, row.score, row.error,
            100 * row.score / tokenNanos));
        out.println("| JCuda, JCublas and Bytedeco's CUDA presets | | | | skipped: their functions are those of a card's driver, which this"
            + " module's benchmarks do not ask for |");
        if (library.isEmpty()) {
            out.println("| Panama, Panama critical and JNI on boundary.c | | | | skipped: no C compiler (" + String.join(", ", COMPILERS)
                + ") compiled it |");
        }
    }

    /** A line of the table, in nanoseconds, with half of the 99.9 % interval that JMH gives. */
    private record Row(String name, String bytes, double score, double error) {
    }

    private static ChainedOptionsBuilder options(String include) {
        return new OptionsBuilder().include(include).forks(1).shouldFailOnError(true);
    }

    private static Collection<RunResult> run(ChainedOptionsBuilder options) throws RunnerException {
        return new Runner(options.build()).run();
    }

    private static List<Row> mean(Collection<RunResult> results) {
        return results.stream().map(result -> {
            String name = result.getParams().getBenchmark();
            String bytes = result.getParams().getParam("bytes");
            return new Row(name.substring(name.lastIndexOf('.', name.lastIndexOf('.') - 1) + 1), bytes == null ? "" : bytes,
                result.getPrimaryResult().getScore(), result.getPrimaryResult().getScoreError());
        }).toList();
    }

    /** The library, built beside the classes; empty, and said, where there is no compiler. */
    private Optional<Path> compiled() throws IOException, InterruptedException {
        Path library = module.resolve("target/boundary/libboundary.so").toAbsolutePath();
        Files.createDirectories(library.getParent());
        Path include = Path.of(System.getProperty("java.home"), "include");
        for (String compiler : COMPILERS) {
            if (!found(compiler)) {
                continue;
            }
            List<String> command = List.of(compiler, "-O2", "-shared", "-fPIC", "-I" + include, "-I" + include.resolve("linux"), "-o",
                library.toString(), module.resolve("src/main/c/boundary.c").toString());
            int code = new ProcessBuilder(command).inheritIO().start().waitFor();
            if (code == 0) {
                return Optional.of(library);
            }
            out.println("boundary: " + String.join(" ", command) + " ended with " + code);
        }
        out.println("boundary: no C compiler built boundary.c; the rows of Panama and JNI on it are skipped");
        return Optional.empty();
    }

    private static boolean found(String compiler) {
        return Stream.of(Optional.ofNullable(System.getenv("PATH")).orElse("").split(":"))
            .anyMatch(directory -> Files.isExecutable(Path.of(directory, compiler)));
    }
}
