package io.sails4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.bench.BenchSize;
import io.sails4j.bench.Ceilings;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.ops.MatmulPeak;
import io.sails4j.tensor.DType;
import io.sails4j.testing.Backends;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The option matmul=cublaslt with a stand-in for the library, which computes on the host and is as strict about descriptors and alignments
 * as the real one: whether the engine describes each product rightly shows without a card.
 */
class CublasLtTest {
    @TempDir
    private static Path temporary;
    private static Path library;

    @BeforeAll
    static void compile() throws IOException, InterruptedException {
        library = temporary.resolve("libfake_cublaslt.so");
        String compiler = System.getenv().getOrDefault("CC", "gcc");
        Process process = new ProcessBuilder(compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", library.toString(),
            "native/fake_cublaslt.c").inheritIO().start();
        assertThat(process.waitFor()).as("compiling native/fake_cublaslt.c").isZero();
    }

    private static Engine open(String more) {
        return Engine.open(new EngineOptions("emulator", 0, "matmul=cublaslt,cublaslt=" + library + more));
    }

    @Test
    void everyProductAgreesWithItsOracle() {
        try (Engine engine = open(",seed=3")) {
            assertThat(engine.device().describe().toString()).contains("cuBLASLt 13.2.3").contains("else own kernels");
            List<CaseResult> results = ConformanceSuite.run(engine, 20_250_102, Set.of("matmul", "linear_forward", "linear_backward"),
                Depth.BITS);
            assertThat(results.stream().mapToLong(CaseResult::comparisons).sum()).as("comparisons").isPositive();
            assertThat(results.stream().filter(result -> !result.ok()).map(ConformanceTable::failure)).isEmpty();
        }
    }

    @Test
    void theFasterOfBothIsTheCeiling() {
        EngineOptions other = new EngineOptions("emulator", 0, "matmul=cublaslt,cublaslt=" + library);
        try (Engine engine = Backends.open("emulator")) {
            MatmulPeak peak = Ceilings.measure(engine, other, "cuBLASLt", BenchSize.quick()).matmul().get(DType.BF16);
            Matcher both = Pattern.compile(", by (own kernels|cuBLASLt); own kernels (\\S+), cuBLASLt (\\S+) TFLOP/s")
                .matcher(peak.source());
            assertThat(both.find()).as(peak.source()).isTrue();
            double own = Double.parseDouble(both.group(2));
            double library = Double.parseDouble(both.group(3));
            assertThat(peak.flopsPerSecond() * 1e-12).isCloseTo(Math.max(own, library), Percentage.withPercentage(0.1));
            assertThat(both.group(1)).isEqualTo(own >= library ? "own kernels" : "cuBLASLt");
            EngineOptions none = new EngineOptions("emulator", 0, "matmul=cublaslt,cublaslt=/nowhere/libcublasLt.so");
            assertThat(Ceilings.measure(engine, none, "cuBLASLt", BenchSize.quick()).matmul().get(DType.F32).source())
                .contains("by own kernels alone")
                .contains("/nowhere/libcublasLt.so");
        }
    }

    @Test
    void saysWhereTheLibraryWasLookedFor() {
        assertThatThrownBy(() -> Engine.open(new EngineOptions("emulator", 0, "matmul=cublaslt,cublaslt=/nowhere/libcublasLt.so")))
            .hasMessageContaining("cuBLASLt cannot be opened").hasMessageContaining("/nowhere/libcublasLt.so")
            .hasMessageContaining("SAILS_CUBLASLT");
    }

    @Test
    void aLibraryWithoutItsFunctionsIsNamed() {
        assertThatThrownBy(() -> Engine.open(new EngineOptions("emulator", 0, "matmul=cublaslt,cublaslt=libm.so.6")))
            .hasMessageContaining("libm.so.6 has no cublasLtCreate");
    }

    @Test
    void aPathAloneIsRefused() {
        assertThatThrownBy(() -> Engine.open(new EngineOptions("emulator", 0, "cublaslt=" + library)))
            .hasMessageContaining("needs matmul=cublaslt");
    }
}
