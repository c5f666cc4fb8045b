package io.sails4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every operation on every backend of {@code -Dsails.backends}, a comma-separated list of {@code name} or {@code name:options}; by default
 * {@code cpu} with oneDNN, and with its own products on each instruction set that the machine has, and the emulator with the kernels of
 * sm_90a and, where there is a choice, with those of every card, both with little room for logits; each launch has another order of
 * threads, which follows from the process's seed. {@code -Dsails.seed} draws other numbers.
 */
class ConformanceTest {
    private static final Set<String> PERSISTENT_PRODUCTS = Set.of("matmul", "linear_glu_forward");
    private static final long SEED = Long.getLong("sails.seed", 20_250_101);
    private static final Map<String, List<CaseResult>> RESULTS = new HashMap<>();

    static List<String> backends() throws IOException {
        String asked = System.getProperty("sails.backends");
        if (asked != null && !asked.isBlank()) {
            return List.of(asked.split(",(?=cpu|cuda|emulator)"));
        }
        Path cpuinfo = Path.of("/proc/cpuinfo");
        boolean avx2 = Files.isReadable(cpuinfo) && Files.readString(cpuinfo).contains(" avx2 ");
        List<String> all = new ArrayList<>(List.of("cpu", "cpu:matmul=own", "cpu:isa=generic,matmul=own"));
        if (avx2) {
            all.add("cpu:isa=avx2,matmul=own");
        }
        all.addAll(List.of("emulator:seed=2,kernels=hopper,head_mib=1", "emulator:seed=2,kernels=portable,head_mib=1"));
        return all;
    }

    /** {@code -Dsails.operations=matmul,rmsnorm_forward}: only these, for whoever works on them. */
    static Set<String> operations() {
        String asked = System.getProperty("sails.operations", "");
        return asked.isBlank() ? Set.of() : Set.of(asked.split(","));
    }

    /** All backends at once: their oracles speak once for each case. */
    @BeforeAll
    static void runEveryOperation() throws IOException {
        List<String> backends = backends();
        List<Engine> engines = new ArrayList<>();
        try {
            backends.forEach(backend -> engines.add(open(backend)));
            Set<String> asked = operations();
            Set<String> twoKernels = ofTwoKernels();
            List<List<CaseResult>> results = ConformanceSuite.run(engines, SEED, (engine, opCase) -> {
                boolean again = backends.get(engines.indexOf(engine)).contains("kernels=portable");
                return (asked.isEmpty() || asked.contains(opCase.operation())) && (!again || twoKernels.contains(opCase.operation()));
            }, Depth.BITS);
            for (int i = 0; i < backends.size(); i++) {
                RESULTS.put(backends.get(i), results.get(i));
                System.out.println(backends.get(i) + ": " + engines.get(i).device().describe() + ", seed " + SEED);
                System.out.println(ConformanceTable.text(results.get(i)));
            }
        } finally {
            engines.forEach(Engine::close);
        }
    }

    /** Operations of the sections that choose kernels of sm_90a where they may: those of the others are the same under any option. */
    private static Set<String> ofTwoKernels() throws IOException {
        Set<String> operations = new TreeSet<>();
        Pattern chooses = Pattern.compile("hopper_kernels|persistent\\(\\)");
        for (OpCase opCase : ConformanceSuite.cases()) {
            Path callers = Path.of("../native/cuda", SupportTable.section(opCase.operation()) + ".cu");
            if (!operations.contains(opCase.operation()) && chooses.matcher(Files.readString(callers)).find()) {
                operations.add(opCase.operation());
            }
        }
        assertThat(operations).contains("matmul", "attention_forward", "sae_encode").doesNotContain("rmsnorm_forward");
        return operations;
    }

    @ParameterizedTest
    @MethodSource("backends")
    void everyOperationAgreesWithItsOracle(String backend) {
        requireAgreement(Objects.requireNonNull(RESULTS.get(backend)));
    }

    /**
     * Products of many rows are computed by pairs of blocks above; a device may be told, or have too few multiprocessors, to do it block
     * by block.
     */
    @Test
    void productsOfSingleBlocksAgreeWithTheirOracle() {
        assumeTrue(System.getProperty("sails.backends", "").isBlank() && operations().isEmpty(),
            "a selection of backends or operations is asked for");
        try (Engine engine = open("emulator:seed=3,kernels=hopper,clusters=off")) {
            requireAgreement(ConformanceSuite.run(engine, SEED, PERSISTENT_PRODUCTS, Depth.BITS));
        }
    }

    private static Engine open(String backend) {
        String[] parts = backend.split(":", 2);
        return Engine.open(new EngineOptions(parts[0], 0, parts.length > 1 ? parts[1] : ""));
    }

    private static void requireAgreement(List<CaseResult> results) {
        assertThat(results.stream().mapToLong(CaseResult::comparisons).sum()).as("comparisons").isPositive();
        assertThat(results.stream().filter(result -> !result.ok()).map(ConformanceTable::failure)).isEmpty();
    }
}
