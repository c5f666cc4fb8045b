package io.sails4j.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.NativeException;
import io.sails4j.conformance.CaseResult;
import io.sails4j.conformance.ConformanceSuite;
import io.sails4j.conformance.ConformanceTable;
import io.sails4j.conformance.Depth;
import io.sails4j.conformance.OpCase;
import io.sails4j.conformance.SupportTable;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.parity.ParitySuite;
import io.sails4j.parity.ParityTable;
import io.sails4j.parity.Reference;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "selftest",
    description = "Hold every operation of the backend against slow double-precision code, and models, SAEs and training steps against "
        + "reference data where it is given, on this machine.")
final class SelftestCommand implements Callable<Integer> {
    @Mixin
    private CommonOptions common;

    @Option(names = {"--operations", "--ops"}, split = ",", paramLabel = "NAME,…",
        description = "only these operations of sails.h, without sails_ (default: all)")
    private Set<String> operations = Set.of();

    @Option(names = "--reference", paramLabel = "DIR", description = "also compare with the reference data of this directory")
    private @Nullable Path reference;

    @Option(names = "--check", paramLabel = "memory|values|bits",
        description = "memory: call each operation once and look whether it wrote where it must not; values: and hold its results against "
            + "double precision; bits: and call it again, for the same bits (default: bits)")
    private Depth check = Depth.BITS;

    @Option(names = "--support",
        description = "run every operation on each backend that this machine can open, and print sections by backends as a "
            + "table in Markdown")
    private boolean support;

    @Override
    public Integer call() {
        if (support) {
            return support();
        }
        Set<String> known = ConformanceSuite.cases().stream().map(OpCase::operation).collect(Collectors.toCollection(TreeSet::new));
        operations.stream().filter(name -> !known.contains(name)).findFirst().ifPresent(name -> {
            throw common.wrong("--operations names '" + name + "'; expected some of " + String.join(", ", known));
        });
        Reference data = reference == null ? null : Reference.open(reference);
        try (Engine engine = common.openEngine()) {
            List<CaseResult> cases = ConformanceSuite.run(engine, common.seed(), operations, check);
            printText(engine.device().describe() + "\n" + ConformanceTable.text(cases) + "\n" + cases.size() + " cases, " + failed(cases)
                + " failed\n");
            List<ParityTable> tables = data == null ? List.of() : ParitySuite.runAll(engine, data, table -> printText("\n" + table.text()));
            List<String> apart = tables.stream().flatMap(table -> table.failures().stream()).toList();
            apart.forEach(sentence -> printText("FAILED " + sentence + "\n"));
            if (data != null) {
                printText("\n" + comparisons(tables) + " comparisons with the reference data, " + apart.size() + " failed\n");
            }
            if (common.json()) {
                printJson(engine, cases, data == null ? null : tables, apart.size());
            }
            boolean compared = cases.stream().mapToLong(CaseResult::comparisons).sum() > 0 || check == Depth.MEMORY && !cases.isEmpty();
            return compared && failed(cases) == 0 && apart.isEmpty() ? 0 : 1;
        }
    }

    private int support() {
        SupportTable table = new SupportTable();
        long failed = 0;
        for (String backend : List.of("cpu", "emulator", "cuda")) {
            try (Engine engine = Engine.open(new EngineOptions(backend, common.threads(), ""))) {
                common.message("running every case on " + engine.device().describe());
                failed += table.add(backend, engine, common.seed());
            } catch (NativeException e) {
                common.message(backend + ": " + e.text());
                table.leaveOut(backend);
            }
        }
        common.printText(table.text());
        return failed == 0 ? 0 : 1;
    }

    private static long failed(List<CaseResult> cases) {
        return cases.stream().filter(r -> !r.ok()).count();
    }

    private static int comparisons(List<ParityTable> tables) {
        return tables.stream().mapToInt(ParityTable::count).sum();
    }

    private void printText(String text) {
        if (!common.json()) {
            common.printText(text);
        }
    }

    private void printJson(Engine engine, List<CaseResult> cases, @Nullable List<ParityTable> tables, int apart) {
        ObjectNode json = CommonOptions.object();
        json.put("device", engine.device().describe()).put("cases", cases.size()).put("failed", failed(cases));
        if (tables != null) {
            json.put("reference_comparisons", comparisons(tables)).put("reference_failed", apart);
            ArrayNode errors = json.putArray("reference_errors");
            tables.forEach(table -> table.comparisons().forEach(one -> add(errors.addObject(), one)));
        }
        common.printText(json + "\n");
    }

    /** What must be equal has no limit, and what PyTorch has no error of has no ratio. */
    private static void add(ObjectNode json, ParityTable.Comparison one) {
        json.put("file", one.file()).put("tensor", one.tensor()).put("error", one.error()).put("limit", one.budget().limit())
            .put("ok", one.ok());
        if (one.budget().float32Error() > 0) {
            json.put("float32_error", one.budget().float32Error()).put("ratio", one.ratio());
        }
    }
}
