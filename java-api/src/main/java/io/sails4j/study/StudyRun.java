package io.sails4j.study;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.data.Progress;
import io.sails4j.data.Tokenizer;
import io.sails4j.eval.EvalArm;
import io.sails4j.files.AtomicFiles;
import io.sails4j.files.FileHash;
import io.sails4j.files.JsonFiles;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelOptions;
import io.sails4j.ops.Engine;
import io.sails4j.options.Options;
import io.sails4j.persistence.OutputClaim;
import io.sails4j.report.ReportWriter;
import io.sails4j.report.Reports;
import io.sails4j.sae.Sae;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.train.StoppedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Runs a study: first the trials by which each arm gets its learning rate, then, once all are chosen, the runs that are tested. OUT grows
 * task by task; what is there is not done again, so that a study that was stopped or killed goes on where it was. Tasks of one phase do
 * not know one another: they may run beside one another, in this process ({@link #run(List, Progress, BooleanSupplier)}) or, by whoever
 * distributes them, in others ({@link #pending}, {@link #runTask}).
 */
public final class StudyRun {
    /** Prompts of a file from which the truth is measured: their features are held in memory. */
    private static final int MOST_OF_A_FILE = 600;

    private final Study study;
    private final StudyDirectory directory;

    /**
     * A study to be run, or to go on.
     *
     * @param resume whether OUT may be there already
     * @throws InputException where OUT is there and {@code resume} is not, or is another study's, or where prompts leak
     */
    public StudyRun(Study study, Path out, boolean resume) {
        this.study = study;
        this.directory = new StudyDirectory(out);
        if (!resume || Files.notExists(directory.plan())) {
            AtomicFiles.requireFresh(out);
        }
        ObjectNode plan = plan();
        if (Files.exists(directory.plan())) {
            requireSame(JsonFiles.read(directory.plan()), plan);
            return;
        }
        // Of the same files it was asked when the study was begun.
        Leaks.require(study);
        AtomicFiles.writeDirectory(out, begun -> {
            Files.createDirectory(begun.resolve("runs"));
            AtomicFiles.writeJson(begun.resolve("plan.json"), plan);
        });
    }

    /** What decides the study, and the rule, before anything is trained. */
    private ObjectNode plan() {
        ObjectNode plan = new ObjectMapper().createObjectNode().put("format", 1).put("rule", Choices.RULE);
        plan.put("study_sha256", FileHash.sha256(study.file()));
        Map<String, Path> inputs = new TreeMap<>(Map.of("model", study.inputs().model(), "data", study.inputs().data(), "contrast",
            study.inputs().contrast(), "validation", study.prompts().validation()));
        study.inputs().saes().forEach((layer, path) -> inputs.put("sae." + layer, path));
        study.prompts().tests().forEach((name, path) -> inputs.put("test." + name, path));
        Path train = study.prompts().train();
        if (train != null) {
            inputs.put("train", train);
        }
        Path right = study.inputs().rightAnswers();
        if (right != null) {
            inputs.put("right_answers", right);
        }
        study.prompts().attacks().forEach(attack -> inputs.put("attack." + attack.name(), attack.prompts()));
        ObjectNode hashes = plan.putObject("sha256");
        inputs.forEach((name, path) -> hashes.put(name, FileHash.sha256(path)));
        return plan;
    }

    private void requireSame(JsonNode before, JsonNode now) {
        if (!before.equals(now)) {
            throw new InputException(
                directory.root() + " was begun with another study or other files (see plan.json there); put them back, or"
                    + " start in a new directory");
        }
    }

    /** What is to be done next; empty where the study is ready to be {@link #finish finished}. Chooses learning rates once it can. */
    public List<StudyTask> pending() {
        List<StudyTask> trials = undone(study.trials());
        if (!trials.isEmpty()) {
            return trials;
        }
        return undone(study.finals(choices()));
    }

    private List<StudyTask> undone(List<StudyTask> tasks) {
        return tasks.stream().filter(task -> !TaskResult.isDone(directory.task(task.id()))).toList();
    }

    private Choices choices() {
        if (Files.notExists(directory.choices())) {
            Map<StudyTask, Double> scores = new LinkedHashMap<>();
            for (StudyTask trial : study.trials()) {
                Map<String, Double> shares = TaskResult.shares(directory.task(trial.id()));
                scores.put(trial, shares.getOrDefault(TaskResult.VALIDATION + "." + TaskResult.HARMFUL_REFUSED, 0.0)
                    - shares.getOrDefault(TaskResult.VALIDATION + "." + TaskResult.HARMLESS_REFUSED, 0.0));
            }
            Choices.of(scores).write(directory.choices());
        }
        return Choices.read(directory.choices());
    }

    /** Finds the subspaces of the arms; before any task. */
    public void prepare(Engine engine, Progress progress) {
        new Subspaces(study, directory, engine).make(progress);
    }

    /**
     * One of the pending tasks.
     *
     * @throws StoppedException where {@code stop} asked for it
     */
    public void runTask(StudyTask task, Engine engine, Progress progress, BooleanSupplier stop) {
        new TaskRunner(study, directory, engine, stop).run(task, progress);
    }

    /** Tests the model as it is, counts and writes; when nothing is pending. */
    public StudyResult finish(Engine engine) {
        new TaskRunner(study, directory, engine, () -> false).runBase();
        Choices choices = choices();
        StudyResult result = new Counting(study, directory, choices).result();
        new StudyFiles(study, result, truth(engine)).write(directory.results());
        List<Path> parts = new ArrayList<>(List.of(directory.task(EvalArm.BASE).resolve("evaluation")));
        for (StudyTask task : study.finals(choices)) {
            if (task.pairs() == study.grid().mostPairs() && task.seed() == study.grid().seeds().getFirst()) {
                parts.add(directory.task(task.id()).resolve("evaluation"));
                parts.add(directory.task(task.id()).resolve("adapter"));
            }
        }
        ReportWriter.write(directory.root(), Reports.read(parts));
        return result;
    }

    /** Where there are SAEs, and prompts that say what they want on both sides; else null. */
    private @Nullable StudyTruth truth(Engine engine) {
        StudyInputs inputs = study.inputs();
        Path train = study.prompts().train();
        if (inputs.saes().isEmpty() || Files.notExists(directory.subspace(Subspaces.name(ArmSubspace.SAE, 0)))) {
            return null;
        }
        SequencedMap<String, SafetySubspace> subspaces = new LinkedHashMap<>();
        for (ArmSubspace kind : List.of(ArmSubspace.SAE, ArmSubspace.DIRECT, ArmSubspace.RANDOM)) {
            Path file = directory.subspace(Subspaces.name(kind, study.grid().seeds().getFirst()));
            if (Files.exists(file)) {
                subspaces.put(Options.label(kind), SafetySubspace.read(file));
            }
        }
        SortedMap<Integer, Sae> saes = new TreeMap<>();
        try (CausalModel model = CausalModel.load(inputs.model(), engine, ModelOptions.of(null));
             Tokenizer tokenizer = Tokenizer.load(inputs.model())) {
            inputs.saes().forEach((layer, path) -> saes.put(layer, Sae.load(path, engine)));
            TruthSamples samples = new TruthSamples(model, saes, tokenizer, study.measure().data().template());
            List<TruthSamples.Sample> fitted = samples.of(List.of(train == null ? study.prompts().validation() : train), MOST_OF_A_FILE);
            List<TruthSamples.Sample> tested = samples.of(List.copyOf(study.prompts().tests().values()), MOST_OF_A_FILE);
            return haveBothSides(fitted) && haveBothSides(tested) ? new TruthMeasure(fitted, tested, saes).measure(subspaces) : null;
        } finally {
            saes.values().forEach(Sae::close);
        }
    }

    private static boolean haveBothSides(List<TruthSamples.Sample> samples) {
        return samples.stream().map(TruthSamples.Sample::harmful).distinct().count() == 2;
    }

    /** All of it on one engine. */
    public StudyResult run(Engine engine, Progress progress, BooleanSupplier stop) {
        return run(List.of(engine), progress, stop);
    }

    /**
     * All of it, as many tasks at a time as there are engines. What a task comes to depends neither on them nor on their order, where all
     * have the same backend and number of threads.
     *
     * @param progress gets the runs that are done, of all of the study
     * @throws StoppedException where {@code stop} asked for it; OUT has all that was done
     */
    public StudyResult run(List<Engine> engines, Progress progress, BooleanSupplier stop) {
        try (OutputClaim _ = OutputClaim.of(directory.root().resolve("running"))) {
            prepare(engines.getFirst(), Progress.none());
            new TaskRunner(study, directory, engines.getFirst(), stop).runBase();
            List<TaskRunner> runners = engines.stream().map(engine -> new TaskRunner(study, directory, engine, stop)).toList();
            for (List<StudyTask> tasks = pending(); !tasks.isEmpty(); tasks = pending()) {
                int before = study.runs() - tasks.size() - (tasks.getFirst().phase() == StudyTask.Phase.TRIAL ? study.tests() : 0);
                new TaskQueue(tasks, stop, directory.root()).run(runners,
                    (done, id) -> progress.update(before + (long) done, study.runs(), 0, id));
            }
            return finish(engines.getFirst());
        }
    }
}
