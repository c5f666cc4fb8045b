package io.sails4j.study;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.align.AlignOptions;
import io.sails4j.align.Method;
import io.sails4j.attack.AttackRun;
import io.sails4j.data.DataOptions;
import io.sails4j.data.PreferenceData;
import io.sails4j.data.Progress;
import io.sails4j.data.TokenPair;
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
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
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
    private @Nullable List<TokenPair> pool;

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
        ask(evaluated, task.phase(), root);
        if (task.phase() == StudyTask.Phase.TEST) {
            for (StudyAttack attack : study.prompts().attacks()) {
                if (attack.attacks(task.seed(), study.grid()) && task.pairs() == study.grid().mostPairs()) {
                    attack(attack, evaluated, root);
                }
            }
        }
        new TaskResult(study, root).write(task);
    }

    /** The model as it is, tested once. */
    void runBase() {
        Path root = directory.task(EvalArm.BASE);
        if (!TaskResult.isDone(root)) {
            EvalArm base = new EvalArm(EvalArm.BASE, study.inputs().model(), List.of());
            ask(base, StudyTask.Phase.TEST, root);
            study.prompts().attacks().forEach(attack -> attack(attack, base, root));
            new TaskResult(study, root).write(null);
        }
    }

    private AlignResult train(StudyTask task, StudyArm arm, AlignOptions options, Path out, Progress progress) {
        StudyInputs inputs = study.inputs();
        boolean writable = options.method() == Method.FULL;
        try (CausalModel model = CausalModel.load(inputs.model(), engine, new ModelOptions(null, writable, false))) {
            AlignRun run = new AlignRun(model, inputs.model(), options, subspace(arm, task.seed()), origin(task)).quiet();
            RunControl control = new RunControl(Files.exists(out.resolveSibling("adapter.partial").resolve("checkpoints")), stop,
                peaks.computeIfAbsent(model.computeDtype(), dtype -> MatmulPeak.measure(engine, dtype)));
            if (task.objective().samplesAnswers()) {
                return learnByReward(run, task, out, progress, control);
            }
            return run.run(sample(pool(), task), out, progress, control);
        }
    }

    /** Read and tokenised once for all tasks of this runner. */
    private List<TokenPair> pool() {
        List<TokenPair> known = pool;
        if (known == null) {
            DataOptions data = study.measure().data();
            known = PreferenceData.load(study.inputs().data(), study.inputs().model(), new DataOptions(data.maxLength(), 0,
                data.template())).pairs();
            pool = known;
        }
        return known;
    }

    /** What a seed draws without putting back; the same for all arms, and fewer are the first of more. */
    static <T> List<T> sample(List<T> all, StudyTask task) {
        if (task.pairs() > all.size()) {
            throw new InputException("pairs is " + task.pairs() + ", expected at most the " + all.size() + " of the data");
        }
        List<T> shuffled = new ArrayList<>(all);
        Collections.shuffle(shuffled, new Random(task.seed()));
        return List.copyOf(shuffled.subList(0, task.pairs()));
    }

    private AlignResult learnByReward(AlignRun run, StudyTask task, Path out, Progress progress, RunControl control) {
        Path checkpoint = study.inputs().model();
        PromptFile all = PromptFile.read(Objects.requireNonNull(study.prompts().train()));
        PromptFile file = new PromptFile(all.path(), all.format(), sample(all.prompts(), task), all.notes());
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

    private void ask(EvalArm arm, StudyTask.Phase phase, Path root) {
        List<PromptFile> files = phase == StudyTask.Phase.TRIAL ? List.of(PromptFile.read(study.prompts().validation()))
            : study.prompts().tests().values().stream().map(PromptFile::read).toList();
        Path out = root.resolve("evaluation");
        if (Files.notExists(out)) {
            try (RefusalJudge judge = new RefusalJudge()) {
                new EvalRun(engine, ModelOptions.of(null), List.of(arm), files, List.of(EvalJudge.of(judge)), study.measure().eval())
                    .run(out, part -> Progress.none(), goingOn(out));
            }
        }
    }

    private void attack(StudyAttack attack, EvalArm arm, Path root) {
        Path out = root.resolve(attack.name());
        if (Files.exists(out)) {
            return;
        }
        PromptFile all = PromptFile.read(attack.prompts());
        PromptFile file = attack.limit() == 0 ? all : all.first(attack.limit());
        try (RefusalJudge judge = new RefusalJudge()) {
            new AttackRun(engine, ModelOptions.of(null), List.of(arm), List.of(file), List.of(EvalJudge.of(judge)), study.measure().eval())
                .run(attack.attack(), out, part -> Progress.none(), goingOn(out), System::nanoTime);
        }
    }

    private RunControl goingOn(Path out) {
        return new RunControl(Files.exists(out.resolveSibling(out.getFileName() + ".partial").resolve("run.json")), stop);
    }
}
