package io.sails4j.attack;

import io.sails4j.InputException;
import io.sails4j.eval.EvalArm;
import io.sails4j.eval.EvalJudge;
import io.sails4j.eval.EvalOptions;
import io.sails4j.eval.EvalProgress;
import io.sails4j.eval.EvalPrompt;
import io.sails4j.eval.EvalRun;
import io.sails4j.eval.PromptFile;
import io.sails4j.model.ModelOptions;
import io.sails4j.ops.Engine;
import io.sails4j.train.RunControl;
import java.nio.file.Path;
import java.util.List;
import java.util.function.LongSupplier;

/**
 * Attacks arms with prompts and has the answers judged as an evaluation does: it is an {@link EvalRun} that asks otherwise, with the same
 * files, judges and rates, and it goes on after a stop or a kill to the same bytes. Prompts that want an answer are asked as they are.
 */
public final class AttackRun {
    private final Engine engine;
    private final ModelOptions modelOptions;
    private final List<EvalArm> arms;
    private final List<PromptFile> files;
    private final List<EvalJudge> judges;
    private final EvalOptions options;

    /** The same as {@link EvalRun}'s. */
    public AttackRun(Engine engine, ModelOptions modelOptions, List<EvalArm> arms, List<PromptFile> files, List<EvalJudge> judges,
        EvalOptions options) {
        this.engine = engine;
        this.modelOptions = modelOptions;
        this.arms = List.copyOf(arms);
        this.files = List.copyOf(files);
        this.judges = List.copyOf(judges);
        this.options = options;
    }

    /**
     * Runs to the end and writes {@code out}: {@code completions.jsonl} as an evaluation does, each line with what was done, and
     * {@code attack.json}.
     *
     * @param nanoTime the clock by which the speed of searches is told
     * @throws io.sails4j.train.StoppedException where {@code control} asked the run to stop
     */
    public AttackResult run(Attack attack, Path out, EvalProgress progress, RunControl control, LongSupplier nanoTime) {
        EvalRun plain = evaluating(arms);
        List<EvalPrompt> prompts = plain.prompts();
        if (!prompts.isEmpty() && prompts.stream().noneMatch(Targets::isAttacked)) {
            throw new InputException("all prompts want an answer, so that there is nothing to attack; give prompts that want a refusal");
        }
        Path model = arms.getFirst().model();
        return switch (attack) {
            case Attack.Gcg(GcgOptions gcg) -> {
                GcgPlan plan = GcgPlan.of(gcg, arms.size(), prompts, options.batch(), options.seed());
                yield run(evaluating(plan.arms(arms)), new GcgAsking(model, plan, new SearchMeter(nanoTime)), out, progress, control);
            }
            case Attack.Prefill(PrefillOptions prefill) -> run(plain, new PrefillAsking(model, prefill), out, progress, control);
            case Attack.Ablate ablate -> run(plain, new AblateAsking(model, ablate, options.limit()), out, progress, control);
        };
    }

    private EvalRun evaluating(List<EvalArm> all) {
        return new EvalRun(engine, modelOptions, all, files, judges, options);
    }

    private static AttackResult run(EvalRun run, AttackAsking asking, Path out, EvalProgress progress, RunControl control) {
        return asking.result(run.asking(asking).run(out, progress, control));
    }
}
