package io.sails4j.cli;

import io.sails4j.InputException;
import io.sails4j.data.Progress;
import io.sails4j.ops.Engine;
import io.sails4j.study.Study;
import io.sails4j.study.StudyResult;
import io.sails4j.study.StudyRun;
import io.sails4j.study.StudyTask;
import io.sails4j.train.StoppedException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "study",
    description = "An experiment as one file: arms trained with learning rates chosen by one rule, tested once, with intervals over seeds.")
final class StudyCommand implements Callable<Integer> {
    private static final int STOPPED = 1;

    @Mixin
    private CommonOptions common;

    @Parameters(paramLabel = "FILE", description = "the study (YAML or JSON); its paths are relative to it")
    private Path file;

    @Option(names = "--out", required = true, paramLabel = "DIR",
        description = "directory that gets runs, choices, study.json and a report")
    private Path out;

    @Option(names = "--resume", description = "go on with a study that was stopped or killed; what is done is not done again")
    private boolean resume;

    @Option(names = "--jobs", defaultValue = "1", paramLabel = "N", description = "tasks that run at a time, each in a process of its own")
    private int jobs;

    @Option(names = "--task", hidden = true, description = "run one task of a study that was begun, and exit")
    private @Nullable String task;

    @Override
    public Integer call() {
        if (jobs < 1) {
            throw new InputException("--jobs is " + jobs + ", expected 1 or more");
        }
        StudyRun run = new StudyRun(Study.read(file), out, resume || task != null);
        try (StopSignal signal = new StopSignal(common::message); Engine engine = common.openEngine()) {
            if (task != null) {
                StudyTask one = run.pending().stream().filter(t -> t.id().equals(task)).findFirst()
                    .orElseThrow(() -> new InputException("--task is '" + task + "', which is not pending"));
                run.runTask(one, engine, Progress.none(), signal::asked);
                return 0;
            }
            new StudyTable(common).print(jobs == 1 ? alone(run, engine, signal) : inProcesses(run, engine, signal));
        } catch (StoppedException e) {
            common.message(String.valueOf(e.getMessage()));
            return STOPPED;
        }
        return 0;
    }

    private StudyResult alone(StudyRun run, Engine engine, StopSignal signal) {
        try (ProgressBar bar = common.progress("study")) {
            return run.run(engine, bar, signal::asked);
        }
    }

    /** This process only looks after the others. */
    private StudyResult inProcesses(StudyRun run, Engine engine, StopSignal signal) {
        run.prepare(engine, Progress.none());
        for (List<StudyTask> tasks = run.pending(); !tasks.isEmpty(); tasks = run.pending()) {
            try (ProgressBar bar = common.progress("study")) {
                new TaskProcesses(jobs, common.threads()).run(tasks.stream().map(StudyTask::id).toList(), bar, signal::asked);
            }
        }
        return run.finish(engine);
    }
}
