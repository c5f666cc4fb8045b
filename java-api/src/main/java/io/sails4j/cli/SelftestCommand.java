package io.sails4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.ops.Engine;
import io.sails4j.ops.conformance.CaseResult;
import io.sails4j.ops.conformance.ConformanceSuite;
import io.sails4j.ops.conformance.ConformanceTable;
import io.sails4j.ops.conformance.OpCase;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "selftest", description = "Hold every operation of the backend against slow double-precision code, on this machine.")
final class SelftestCommand implements Callable<Integer> {
    @Mixin
    private CommonOptions common;

    @Option(names = "--operations", split = ",", paramLabel = "NAME,…", description = "only these operations of sails.h, without sails_ (default: all)")
    private Set<String> operations = Set.of();

    @Override
    public Integer call() {
        Set<String> known = ConformanceSuite.cases().stream().map(OpCase::operation).collect(Collectors.toCollection(TreeSet::new));
        operations.stream().filter(name -> !known.contains(name)).findFirst().ifPresent(name -> {
            throw common.wrong("--operations names '" + name + "'; expected some of " + String.join(", ", known));
        });
        try (Engine engine = common.openEngine()) {
            List<CaseResult> results = ConformanceSuite.run(engine, common.seed(), operations, result -> { });
            long failed = results.stream().filter(r -> !r.ok()).count();
            if (common.json()) {
                ObjectNode json = CommonOptions.object();
                json.put("device", engine.device().describe()).put("cases", results.size()).put("failed", failed);
                common.printText(json + "\n");
            } else {
                common.printText(engine.device().describe() + "\n" + ConformanceTable.text(results)
                    + "\n" + results.size() + " cases, " + failed + " failed\n");
            }
            return failed == 0 && !results.isEmpty() ? 0 : 1;
        }
    }
}
