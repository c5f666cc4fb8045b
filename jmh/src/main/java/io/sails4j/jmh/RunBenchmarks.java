package io.sails4j.jmh;

import java.io.IOException;
import java.nio.file.Path;
import org.openjdk.jmh.Main;
import org.openjdk.jmh.runner.RunnerException;

/**
 * What {@code mvn -Pjmh verify -Djmh='…'} runs: JMH with these arguments ({@code -l} lists the benchmarks, {@code -h} the arguments), or
 * with {@code boundary} alone the table of what reaching native code costs.
 */
public final class RunBenchmarks {
    private RunBenchmarks() {
    }

    /** @param args the module's directory, and JMH's arguments in one, separated by spaces */
    public static void main(String[] args) throws IOException, InterruptedException, RunnerException {
        String given = args.length > 1 ? args[1].strip() : "";
        if (given.equals("boundary")) {
            new BoundaryReport(Path.of(args[0]), System.out).print();
            return;
        }
        Main.main(given.isEmpty() ? new String[] {"-l"} : given.split("\\s+"));
    }
}
