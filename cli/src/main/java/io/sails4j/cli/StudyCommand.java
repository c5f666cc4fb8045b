package io.sails4j.cli;

import io.sails4j.InputException;
import io.sails4j.study.Study;
import io.sails4j.study.StudyRun;
import io.sails4j.train.StoppedException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
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

    @Option(names = "--jobs", defaultValue = "1", paramLabel = "N",
        description = "tasks that run at a time, each on its part of the processors; --threads N is the number of each")
    private int jobs;

    @Override
    public Integer call() {
        if (jobs < 1) {
            throw new InputException("--jobs is " + jobs + ", expected 1 or more");
        }
        Study study = Study.read(file);
        StudyRun run = new StudyRun(study, out, resume);
        common.openEngine().close();
        try (StopSignal signal = new StopSignal(common::message); StudyEngines engines = new StudyEngines(common.engineOptions(), jobs);
             ProgressBar bar = common.progress("study")) {
            common.message(study.runs() + " runs, " + jobs + " at a time");
            new StudyTable(common).print(run.run(engines.all(), bar, signal::asked));
        } catch (StoppedException e) {
            common.message(String.valueOf(e.getMessage()));
            return STOPPED;
        }
        return 0;
    }
}
