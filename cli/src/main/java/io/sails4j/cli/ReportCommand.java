package io.sails4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.files.AtomicFiles;
import io.sails4j.report.Report;
import io.sails4j.report.ReportPart;
import io.sails4j.report.ReportWriter;
import io.sails4j.report.Reports;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "report", description = {
    "Put what eval, attack, explain and align wrote into one page, report.html, which needs no network, and its numbers into report.json.",
    "Each of these commands writes a report of its own results beside them; this one joins several."})
final class ReportCommand implements Callable<Integer> {
    @Mixin
    private CommonOptions common;

    @Parameters(paramLabel = "DIR", arity = "1..*",
        description = "output directories of eval, attack, explain and align, recognised by eval.json, attack.json, explain.json and"
            + " sails_run.json")
    private List<Path> directories = new ArrayList<>();

    @Option(names = "--out", required = true, paramLabel = "DIR", description = "directory to write, with report.html and report.json")
    private Path out;

    @Override
    public Integer call() {
        AtomicFiles.requireFresh(out);
        Report report = Reports.read(directories);
        Path page = ReportWriter.write(out, report);
        ObjectNode json = CommonOptions.object().put("report", page.toString()).put("out", out.toString());
        Table table = Table.ofPairs();
        for (ReportPart part : report.parts()) {
            json.withArray("/parts").add(part.kind());
            table.row(part.kind(), part.origin().directory());
        }
        common.print(json, table.row("report", page));
        return 0;
    }
}
