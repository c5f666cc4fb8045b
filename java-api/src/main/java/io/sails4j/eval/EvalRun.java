package io.sails4j.eval;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.files.AtomicFiles;
import io.sails4j.files.ForeignFile;
import io.sails4j.files.JsonFiles;
import io.sails4j.lora.WeightedAdapter;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelOptions;
import io.sails4j.monitor.Monitor;
import io.sails4j.ops.Engine;
import io.sails4j.persistence.OutputClaim;
import io.sails4j.persistence.SameRun;
import io.sails4j.train.RunControl;
import io.sails4j.train.StoppedException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Answers prompts by one or more arms, has the answers judged, and counts. {@code OUT} appears when all of it is there; until then what was
 * done stands in {@code OUT.partial}, answer by answer, and a run that was killed goes on from there to the same bytes.
 */
public final class EvalRun {
    private final Engine engine;
    private final ModelOptions modelOptions;
    private final List<EvalArm> arms;
    private final List<PromptFile> files;
    private final List<EvalJudge> judges;
    private final EvalOptions options;
    private final List<EvalPrompt> prompts = new ArrayList<>();
    private final List<Integer> fileOfPrompt = new ArrayList<>();
    private final Beside beside;

    /**
     * An evaluation that is not started yet.
     *
     * @param arms of different names; all are compared in pairs
     * @param files of prompts, of which each has a number of its own over all files, in their order
     * @param judges of different names, in whose order results are told; they stay the caller's to close
     */
    public EvalRun(Engine engine, ModelOptions modelOptions, List<EvalArm> arms, List<PromptFile> files, List<EvalJudge> judges,
        EvalOptions options) {
        this(engine, modelOptions, arms, files, judges, options, new Beside(null, UtilityFiles.none(), Asking.plain(), null));
    }

    /**
     * What an evaluation may have beside arms, prompts and judges.
     *
     * @param labelled answers that people labelled
     * @param utility how useful the arms are
     * @param asking how the prompts are put
     * @param monitor that looks on
     */
    record Beside(@Nullable LabelledAnswers labelled, UtilityFiles utility, Asking asking, @Nullable EvalMonitor monitor) {
    }

    private EvalRun(Engine engine, ModelOptions modelOptions, List<EvalArm> arms, List<PromptFile> files, List<EvalJudge> judges,
        EvalOptions options, Beside beside) {
        this.beside = new Beside(beside.labelled, beside.utility.limitedTo(options.limit()), beside.asking, beside.monitor);
        this.engine = engine;
        this.modelOptions = modelOptions;
        this.arms = List.copyOf(arms);
        this.files = List.copyOf(files);
        this.judges = List.copyOf(judges);
        this.options = options;
        requireDifferent("arms", arms.stream().map(EvalArm::name).toList());
        // Results are told by these names; a file that is given twice would count twice.
        requireDifferent("files of prompts", files.stream().map(file -> String.valueOf(file.path().getFileName())).toList());
        requireDifferent("judges", judges.stream().map(EvalJudge::name).toList());
        for (int file = 0; file < files.size(); file++) {
            List<EvalPrompt> all = files.get(file).prompts();
            for (EvalPrompt prompt : all.subList(0, options.limit() == 0 ? all.size() : Math.min(options.limit(), all.size()))) {
                prompts.add(prompt);
                fileOfPrompt.add(file);
            }
        }
    }

    private static void requireDifferent(String what, List<String> names) {
        if (names.isEmpty() && what.equals("arms")) {
            throw new InputException("there is no arm to evaluate, expected a model");
        }
        Set<String> seen = new HashSet<>();
        for (String name : names) {
            if (!seen.add(name)) {
                throw new InputException("two " + what + " are called '" + name + "'; give them different names");
            }
        }
    }

    /** The same evaluation, whose rates are also corrected by how the judges err on answers that people labelled. */
    public EvalRun calibratedBy(LabelledAnswers answers) {
        return with(new Beside(answers, beside.utility, beside.asking, beside.monitor));
    }

    private EvalRun with(Beside other) {
        return new EvalRun(engine, modelOptions, arms, files, judges, options, other);
    }

    /** The same evaluation, which also measures how useful the arms are; then it may be one without prompts. */
    public EvalRun measuring(UtilityFiles files) {
        return with(new Beside(beside.labelled, files, beside.asking, beside.monitor));
    }

    /** The same evaluation, whose arms are asked otherwise. */
    public EvalRun asking(Asking other) {
        return with(new Beside(beside.labelled, beside.utility, other, beside.monitor));
    }

    /** The same evaluation, with a monitor that looks on while the arms answer. */
    public EvalRun watchedBy(EvalMonitor monitor) {
        return with(new Beside(beside.labelled, beside.utility, beside.asking, monitor));
    }

    /** The prompts of all files, in the order of their numbers. */
    public List<EvalPrompt> prompts() {
        return Collections.unmodifiableList(prompts);
    }

    /** Runs to the end and writes {@code out}. */
    public EvalResult run(Path out, EvalProgress progress) {
        return run(out, progress, RunControl.plain());
    }

    /**
     * Runs to the end and writes {@code out}: {@code completions.jsonl}, an answer of an arm a line with what the judges say,
     * {@code utility.jsonl}, a document, question or benign prompt a line, and {@code eval.json}, or what
     * {@link Asking.Running#fileName} says.
     *
     * @throws StoppedException where {@code control} asked the run to stop
     */
    public EvalResult run(Path out, EvalProgress progress, RunControl control) {
        if (prompts.isEmpty() && beside.utility.isEmpty()) {
            throw new InputException("there are no prompts to answer, and nothing else to measure");
        }
        beside.utility.require(arms, options.utility().shots());
        for (EvalArm arm : arms) {
            // Read for what is wrong with it: a model is hashed and loaded in minutes.
            ModelConfig.read(arm.model());
            arm.adapters().stream().map(WeightedAdapter::directory).filter(Files::notExists).findFirst().ifPresent(missing -> {
                throw ForeignFile.missing(missing, null);
            });
        }
        if (beside.monitor != null) {
            beside.monitor.requireFit(arms);
        }
        ObjectNode identity = new EvalOrigin(engine, modelOptions, options).describe(arms, files, judges, beside);
        Path partial = OutputClaim.partialOf(out);
        try (OutputClaim _ = OutputClaim.of(out)) {
            begin(partial, identity, control.resume());
            try (Asking.Running questions = beside.asking.open(partial)) {
                return run(out, partial, identity, questions, progress, control);
            } catch (InputException e) {
                removeUnlessBegun(partial);
                throw e;
            }
        }
    }

    private EvalResult run(Path out, Path partial, ObjectNode identity, Asking.Running questions, EvalProgress progress,
        RunControl control) {
        LabelledAnswers labelled = beside.labelled;
        UtilityFiles utility = beside.utility;
        EvalTable table = new EvalTable(arms.size(), prompts.size(), judges.size(),
            labelled == null ? 0 : labelled.exchanges().size());
        answer(table, partial.resolve("completions.jsonl"), questions, progress, control);
        new Judging(judges, prompts, labelled == null ? List.of() : labelled.exchanges(), table, control.stop())
            .run(partial.resolve("judgements.jsonl"), progress);
        UtilityTable measured = new UtilityTable(arms, utility);
        if (!utility.isEmpty()) {
            try (LoadedModels models = new LoadedModels(engine, modelOptions,
                utility.benign().isEmpty() ? null : arms.getFirst().model())) {
                new Measuring(models, arms, utility, options, measured, control.stop()).run(partial.resolve("utility.jsonl"), progress);
            }
        }
        EvalMetrics counted = new EvalMetrics(arms, files, prompts, fileOfPrompt, judges, table, labelled, questions,
            options.seed());
        EvalResult result = new EvalResult(out, identity, prompts.isEmpty() ? List.of() : counted.summaries(), counted.metrics(),
            counted.comparisons(), new UtilityMetrics(arms, utility, measured, options).metrics(),
            beside.monitor == null ? List.of() : counted.alarms(beside.monitor.spec()));
        AtomicFiles.writeDirectory(out, directory -> {
            if (!prompts.isEmpty()) {
                writeAnswers(table, directory.resolve("completions.jsonl"));
            }
            if (!utility.isEmpty()) {
                try (Journal lines = Journal.open(directory.resolve("utility.jsonl"), _ -> {})) {
                    measured.forEachLine(lines::append);
                }
            }
            AtomicFiles.writeJson(directory.resolve(questions.fileName()), questions.json(result));
        });
        AtomicFiles.deleteTree(partial);
        return result;
    }

    /** What was wrong was found before the first answer: a prompt that is too long perhaps. That leaves nothing to go on with. */
    private static void removeUnlessBegun(Path partial) {
        try (Stream<Path> files = Files.list(partial)) {
            List<Path> results = files.filter(file -> file.toString().endsWith(".jsonl")).toList();
            for (Path file : results) {
                if (Files.size(file) > 0) {
                    return;
                }
            }
            for (Path file : results) {
                Files.delete(file);
            }
            Files.deleteIfExists(partial.resolve("run.json"));
        } catch (IOException e) {
            throw new UncheckedIOException(partial + " cannot be tidied", e);
        }
    }

    private void begin(Path partial, ObjectNode identity, boolean resume) {
        Path run = partial.resolve("run.json");
        boolean earlier = Files.exists(run);
        if (earlier && !resume) {
            throw new InputException(partial + " holds an earlier evaluation; go on with it by resume=true, or remove it to start again");
        }
        if (!earlier && resume) {
            throw new InputException("there is nothing to resume: " + partial + " holds no evaluation; leave out resume=true");
        }
        if (earlier) {
            SameRun.require(partial, JsonFiles.read(run), identity);
        } else {
            AtomicFiles.writeJson(run, identity);
        }
    }

    // ---------------------------------------------------------------- answers

    private void answer(EvalTable table, Path file, Asking.Running questions, EvalProgress progress, RunControl control) {
        try (LoadedModels models = new LoadedModels(engine, modelOptions, null); Journal journal = Journal.open(file, line -> {
            Answer answer = Answer.of(line);
            table.answers[answer.arm()][answer.prompt()] = answer;
        })) {
            for (int arm = 0; arm < arms.size(); arm++) {
                @Nullable
                Answer[] answers = table.answers[arm];
                if (!Arrays.asList(answers).contains(null)) {
                    continue;
                }
                CausalModel model = models.get(arms.get(arm).model());
                try (OpenArm open = new OpenArm(model, arms.get(arm), arm, options.answers());
                     Monitor monitor = beside.monitor == null ? null : beside.monitor.open(model)) {
                    List<Question> asked = questions.questions(open, prompts, progress, control.stop());
                    new Answering(open, options, questions.edit(), monitor, control.stop()).run(prompts, asked, p -> answers[p] != null,
                        answer -> {
                            journal.append(answer.json());
                            answers[answer.prompt()] = answer;
                        }, progress.begin(arms.get(arm).name()));
                }
            }
        }
    }

    private void writeAnswers(EvalTable table, Path file) {
        try (Journal lines = Journal.open(file, _ -> {})) {
            for (int arm = 0; arm < arms.size(); arm++) {
                for (int prompt = 0; prompt < prompts.size(); prompt++) {
                    lines.append(line(table, arm, prompt));
                }
            }
        }
    }

    /** A line of the result's {@code completions.jsonl}. */
    private ObjectNode line(EvalTable table, int arm, int prompt) {
        EvalPrompt asked = prompts.get(prompt);
        Answer answer = table.answer(arm, prompt);
        ObjectNode line = JsonNodeFactory.instance.objectNode().put("arm", arms.get(arm).name()).put("index", prompt);
        line.put("file", String.valueOf(asked.origin().file().getFileName())).put("id", asked.id()).put("category", asked.category());
        line.put("wanted", asked.wanted().key());
        line.put("prompt", asked.request());
        if (asked.messages().size() > 1) {
            ArrayNode before = line.putArray("messages_before");
            asked.messages().subList(0, asked.messages().size() - 1)
                .forEach(message -> before.addObject().put("role", message.role()).put("content", message.content()));
        }
        line.put("completion", answer.completion()).put("tokens", answer.tokens()).put("stopped", answer.stopped());
        if (answer.note() != null) {
            line.set("attack", answer.note());
        }
        answer.writeEvents(line);
        ObjectNode said = line.putObject("judgements");
        for (int judge = 0; judge < judges.size(); judge++) {
            JudgementJson.write(table.judgement(judge, arm, prompt), said.putObject(judges.get(judge).name()));
        }
        return line;
    }
}
