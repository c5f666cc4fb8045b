package io.sails4j.jmh;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Collection;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.Options;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

/** Each benchmark of an operation begins, passes the check of its result and ends, at shapes that take milliseconds. */
class BenchmarksRunTest {
    @Test
    void everyBenchmarkPassesItsCheck() throws RunnerException {
        Options options = new OptionsBuilder().include("Bench").exclude("Boundary|Downcall|DecodedToken").forks(0).warmupIterations(0)
            .measurementIterations(1).measurementTime(TimeValue.milliseconds(1)).shouldFailOnError(true).verbosity(VerboseMode.SILENT)
            .param("shape", "tiny-layer").param("sae", "sae-tiny").param("active", "8").param("tokens", "32").param("vocabulary", "64")
            .param("layers", "1").build();
        Collection<RunResult> results = new Runner(options).run();
        Set<String> classes = results.stream().map(result -> result.getParams().getBenchmark().split("\\.")[3])
            .collect(Collectors.toCollection(TreeSet::new));
        assertThat(classes).containsExactlyInAnyOrder("AdamwBench", "AttentionBench", "DecodeBench", "GluBench", "HeadLossBench",
            "LayerBench", "LinearBench", "LoraStepBench", "RmsNormBench", "SaeBench");
        assertThat(results).hasSize(23).allSatisfy(result -> assertThat(result.getPrimaryResult().getScore()).isPositive());
    }
}
