package io.sails4j.run;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.align.AlignOptions;
import io.sails4j.align.Method;
import io.sails4j.config.ModelConfig;
import io.sails4j.data.TokenPair;
import io.sails4j.data.TokenPrompt;
import io.sails4j.files.FileHash;
import io.sails4j.objective.Loss;
import io.sails4j.objective.PolicyLoss;
import io.sails4j.objective.PolicyPlan;
import io.sails4j.options.Options;
import io.sails4j.train.ObjectiveOptions;
import io.sails4j.train.PolicyTask;
import io.sails4j.train.Reference;
import io.sails4j.train.TrainingOptions;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * What a run learns from, and what it is looked at by.
 *
 * @param trained pairs or prompts of the training
 * @param evaluated the same of the evaluation
 * @param heldOut whether those were kept out of training
 * @param identity what decides them beside the options
 */
record Lessons(Loss training, Loss evaluation, int trained, int evaluated, boolean heldOut, Map<String, String> identity) {
    /** Held-out examples are affordable where they are at most this share of the data. */
    private static final int HELD_OUT_SHARE = 10;

    /** The examples that are trained on and those that are looked at. */
    private record Split<E>(List<E> training, List<E> evaluation, boolean heldOut) {
        static <E> Split<E> of(List<E> all, int wanted) {
            boolean heldOut = all.size() / HELD_OUT_SHARE >= wanted;
            int n = Math.min(wanted, all.size());
            List<E> last = all.subList(all.size() - n, all.size());
            return new Split<>(heldOut ? all.subList(0, all.size() - n) : all, last, heldOut);
        }
    }

    static Lessons ofPairs(AlignOptions options, List<TokenPair> pairs) {
        Split<TokenPair> split = Split.of(pairs, options.run().evaluation().evalPairs());
        // The reference of an evaluation is computed once, whatever the training does.
        return new Lessons(Loss.of(options.objective(), split.training),
            Loss.of(options.objective().withReference(Reference.CACHED), split.evaluation), split.training.size(), split.evaluation.size(),
            split.heldOut, Map.of());
    }

    static Lessons ofTask(AlignOptions options, PolicyTask task, ModelConfig model) {
        ObjectiveOptions objective = options.objective();
        if (!objective.objective().samplesAnswers()) {
            throw new InputException("the objective '" + Options.label(objective.objective())
                + "' learns from pairs, not from rewards: use objective=rloo or objective=grpo");
        }
        task.prompts().forEach(prompt -> TokenPrompt.requireRoom(prompt.ids().length, objective.policy().sampling().maxNewTokens(), model,
            prompt.origin()));
        task.reward().requireGradable(task.prompts());
        TrainingOptions training = options.training();
        Split<TokenPrompt> split = Split.of(task.prompts(), options.run().evaluation().evalPairs());
        PolicyPlan plan = PolicyPlan.of(split.training.size(), objective.policy(), training.batching(), training.seed());
        boolean reference = options.method() != Method.FULL;
        return new Lessons(new PolicyLoss(task.withPrompts(split.training), objective, plan, training.seed(), reference),
            new PolicyLoss(task.withPrompts(split.evaluation), objective, plan, training.seed(), reference), split.training.size(),
            split.evaluation.size(), split.heldOut, Map.of("reward", task.reward().name(), "prompts_sha256", hash(task.prompts())));
    }

    private static String hash(List<TokenPrompt> prompts) {
        return FileHash.sha256OfText(prompts.stream().map(p -> Arrays.toString(p.ids()) + p.request() + p.wanted())
            .collect(Collectors.joining("\n")));
    }

    /** Adds what must be the same when a run goes on. */
    void identify(ObjectNode json) {
        json.put(training.samplesAnswers() ? "training_prompts" : "training_pairs", trained);
        describe(json);
    }

    /** Adds what {@code sails_run.json} says of it. */
    void describe(ObjectNode json) {
        json.put("evaluation_pairs", evaluated).put("held_out", heldOut);
        new TreeMap<>(identity).forEach(json::put);
    }
}
