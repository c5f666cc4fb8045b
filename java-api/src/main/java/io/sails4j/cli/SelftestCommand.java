package io.sails4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.ops.Engine;
import io.sails4j.ops.conformance.CaseResult;
import io.sails4j.ops.conformance.ConformanceSuite;
import io.sails4j.ops.conformance.ConformanceTable;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(name = "selftest", description = "Hold every operation of the backend against slow double-precision code, on this machine.")
final class SelftestCommand implements Callable<Integer> {
    @Mixin
    private CommonOptions common;

    @Override
    public Integer call() {
        try (Engine engine = common.openEngine()) {
            List<CaseResult> results = ConformanceSuite.run(engine, common.seed(), Set.of(), result -> { });
            long failed = results.stream().filter(r -> !r.ok()).count();
            if (common.json()) {
                ObjectNode json = CommonOptions.object();
                json.put("device", engine.device().describe()).put("cases", results.size()).put("failed", failed);
                common.printText(json + "\n");
            } else {
                common.printText(engine.device().describe() + "\n" + ConformanceTable.text(results)
                    + results.size() + " cases, " + failed + " failed\n");
            }
            return failed == 0 && !results.isEmpty() ? 0 : 1;
        }
    }
}
