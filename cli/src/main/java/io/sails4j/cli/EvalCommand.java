package io.sails4j.cli;

import io.sails4j.eval.EvalArm;
import io.sails4j.eval.EvalMonitor;
import io.sails4j.eval.EvalOptions;
import io.sails4j.eval.EvalResult;
import io.sails4j.eval.EvalRun;
import io.sails4j.eval.LabelledAnswers;
import io.sails4j.eval.PromptFile;
import io.sails4j.eval.UtilityFiles;
import io.sails4j.files.AtomicFiles;
import io.sails4j.judge.JudgeSpec;
import io.sails4j.monitor.MonitorSpec;
import io.sails4j.ops.Engine;
import io.sails4j.report.Reports;
import io.sails4j.train.RunControl;
import io.sails4j.train.StoppedException;
import java.nio.file.Path;
import java.util.List;
import java.util.SortedMap;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(name = "eval",
    description = "Answer prompts by a model and its adapters, have the answers judged, and say how safe and how helpful they are; and"
        + " measure how useful the models are: perplexity, multiple choice, divergence from the base model.")
final class EvalCommand implements Callable<Integer> {
    private static final int STOPPED = 1;

    @Mixin
    private CommonOptions common;

    @Mixin
    private EvalArguments arguments;

    @Mixin
    private UtilityArguments utility;

    @Mixin
    private JudgeArguments judging;

    @Mixin
    private ObserverArguments observer;

    @Option(names = "--calibration", paramLabel = "FILE",
        description = "answers that people labelled, a table with prompt, completion and final_label: rates are also corrected by how the"
            + " judges err on them")
    private @Nullable Path calibration;

    @Option(names = "--out", required = true, paramLabel = "DIR",
        description = "directory to write, with completions.jsonl, utility.jsonl, eval.json and report.html")
    private Path out;

    @Option(names = "--resume", description = "go on with the answers and judgements in OUT.partial; all other options as in the first run")
    private boolean resume;

    @Spec
    private CommandSpec command;

    @Override
    public Integer call() {
        EvalOptions options = OptionFlags.values(command, EvalOptions.defaults()).withSeed(common.seed());
        AtomicFiles.requireFresh(out);
        List<JudgeSpec> specs = judgesFor(arguments.asksPrompts());
        utility.requireUsed(command, arguments.asksPrompts());
        MonitorSpec spec = observer.spec(common, arguments.asksPrompts());
        SortedMap<Integer, Path> saes = observer.saes(common);
        List<EvalArm> arms = arguments.arms();
        List<PromptFile> files = arguments.announcedPrompts(common);
        UtilityFiles measured = utility.read(common);
        LabelledAnswers labelled = calibration == null ? null : LabelledAnswers.read(calibration);
        try (Engine engine = common.openEngine(); Bars bars = new Bars(common); StopSignal signal = new StopSignal(common::message);
             SaeArguments.Opened read = SaeArguments.open(saes, engine); OpenJudges judges = new OpenJudges(specs, engine)) {
            EvalRun run = new EvalRun(engine, arguments.modelOptions(common), arms, files, judges.list(), options).measuring(measured);
            run = spec == null ? run : run.watchedBy(new EvalMonitor(spec, read.saes()));
            EvalResult result = (labelled == null ? run : run.calibratedBy(labelled)).run(out, bars, new RunControl(resume, signal::asked));
            bars.end();
            Path page = Reports.writeInto(result.out());
            common.printText(common.json() ? result.json() + "\n" : new EvalTables(result).render() + "report   " + page + "\n");
        } catch (StoppedException e) {
            common.message(OptionFlags.inSentence(String.valueOf(e.getMessage())));
            return STOPPED;
        }
        return 0;
    }

    private List<JudgeSpec> judgesFor(boolean answers) {
        if (!answers && utility.isEmpty()) {
            throw common.wrong("there is nothing to evaluate: give --prompts, --perplexity, --choices or --kl");
        }
        if (!answers && (judging.given() || calibration != null)) {
            throw common.wrong("there are no answers to judge: give --prompts, or leave out --judge and --calibration");
        }
        return answers ? judging.specs() : List.of();
    }
}
