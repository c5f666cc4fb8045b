package io.sails4j.study;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.align.AlignOptions;
import io.sails4j.align.Method;
import io.sails4j.data.DataOptions;
import io.sails4j.data.PreferenceData;
import io.sails4j.data.Progress;
import io.sails4j.data.Tokenizer;
import io.sails4j.eval.EvalArm;
import io.sails4j.eval.EvalJudge;
import io.sails4j.eval.EvalRun;
import io.sails4j.eval.PromptFile;
import io.sails4j.files.AtomicFiles;
import io.sails4j.files.FileHash;
import io.sails4j.judge.JudgeReward;
import io.sails4j.judge.RefusalJudge;
import io.sails4j.lora.WeightedAdapter;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelOptions;
import io.sails4j.ops.Engine;
import io.sails4j.ops.MatmulPeak;
import io.sails4j.options.Options;
import io.sails4j.run.AlignResult;
import io.sails4j.run.AlignRun;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.tensor.DType;
import io.sails4j.train.RunControl;
import io.sails4j.train.RunOrigin;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/** Trains what a task names and asks the result; each half goes on where it was stopped, and is not done twice. */
final class TaskRunner {
    private final Study study;
    private final StudyDirectory directory;
    private final Engine engine;
    private final BooleanSupplier stop;
    /** Measured once for all tasks of this process, each by its compute type. */
    private final Map<DType, MatmulPeak> peaks = new EnumMap<>(DType.class);

    TaskRunner(Study study, StudyDirectory directory, Engine engine, BooleanSupplier stop) {
        this.study = study;
        this.directory = directory;
        this.engine = engine;
        this.stop = stop;
    }

    /** Done when its directory has {@code result.json}. */
    void run(StudyTask task, Progress progress) {
        Path root = directory.task(task.id());
        if (TaskResult.isDone(root)) {
            return;
        }
        StudyArm arm = study.arm(task.arm());
        AlignOptions options = arm.options(task.objective(), task.lr(), task.seed());
        Path trained = root.resolve("adapter");
        if (Files.notExists(trained)) {
            AtomicFiles.writeJson(root.resolve("cost.json"), cost(train(task, arm, options, trained, progress), options));
        }
        boolean full = options.method() == Method.FULL;
        EvalArm evaluated = full ? new EvalArm(arm.name(), trained, List.of())
            : new EvalArm(arm.name(), study.inputs().model(), List.of(new WeightedAdapter(trained, 1)));
        evaluate(evaluated, task.phase(), root, task);
    }

    /** The model as it is, tested once. */
    void runBase() {
        Path root = directory.task(EvalArm.BASE);
        if (!TaskResult.isDone(root)) {
            evaluate(new EvalArm(EvalArm.BASE, study.inputs().model(), List.of()), StudyTask.Phase.TEST, root, null);
        }
    }

    private AlignResult train(StudyTask task, StudyArm arm, AlignOptions options, Path out, Progress progress) {
        StudyInputs inputs = study.inputs();
        boolean writable = options.method() == Method.FULL;
        try (CausalModel model = CausalModel.load(inputs.model(), engine, new ModelOptions(null, writable, false))) {
            AlignRun run = new AlignRun(model, inputs.model(), options, subspace(arm, task.seed()), origin(task));
            RunControl control = new RunControl(Files.exists(out.resolveSibling("adapter.partial").resolve("checkpoints")), stop);
            if (task.objective().samplesAnswers()) {
                return learnByReward(run, task.pairs(), out, progress, control);
            }
            DataOptions data = study.measure().data();
            return run.run(PreferenceData.load(inputs.data(), inputs.model(), new DataOptions(data.maxLength(), task.pairs(),
                data.template())).pairs(), out, progress, control);
        }
    }

    private AlignResult learnByReward(AlignRun run, int prompts, Path out, Progress progress, RunControl control) {
        Path checkpoint = study.inputs().model();
        PromptFile file = PromptFile.read(Objects.requireNonNull(study.prompts().train())).first(prompts);
        try (Tokenizer tokenizer = Tokenizer.load(checkpoint); RefusalJudge judge = new RefusalJudge()) {
            return run.run(PromptFile.task(List.of(file), tokenizer, study.measure().data().template(), checkpoint, new JudgeReward(judge)),
                out, progress, control);
        }
    }

    private @Nullable SafetySubspace subspace(StudyArm arm, long seed) {
        return arm.subspace() == ArmSubspace.NONE ? null : SafetySubspace.read(directory.subspace(Subspaces.name(arm.subspace(), seed)));
    }

    private RunOrigin origin(StudyTask task) {
        return new RunOrigin(Map.of("model.sha256", FileHash.sha256(study.inputs().model()), "data.sha256",
            FileHash.sha256(study.inputs().data()), "pairs", String.valueOf(task.pairs())), List.of(study.measure().data()));
    }

    /** AdamW keeps two numbers a parameter. */
    private static ObjectNode cost(AlignResult result, AlignOptions options) {
        long bytes = result.trainable() * (options.training().optimizer().state().in8bit() ? 2L : 2L * Float.BYTES);
        return new ObjectMapper().createObjectNode().put("seconds", result.seconds()).put("trainable_parameters", result.trainable())
            .put("optimizer_bytes", bytes).put("steps", result.steps()).put("objective", Options.label(result.objective()));
    }

    private void evaluate(EvalArm arm, StudyTask.Phase phase, Path root, @Nullable StudyTask task) {
        List<PromptFile> files = phase == StudyTask.Phase.TRIAL ? List.of(PromptFile.read(study.prompts().validation()))
            : study.prompts().tests().values().stream().map(PromptFile::read).toList();
        Path out = root.resolve("evaluation");
        if (Files.notExists(out)) {
            try (RefusalJudge judge = new RefusalJudge()) {
                RunControl control = new RunControl(Files.exists(root.resolve("evaluation.partial").resolve("run.json")), stop);
                new EvalRun(engine, ModelOptions.of(null), List.of(arm), files, List.of(EvalJudge.of(judge)), study.measure().eval())
                    .run(out, part -> Progress.none(), control);
            }
        }
        new TaskResult(study, root).write(task);
    }
}
