package io.sails4j.report;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How an adapter was trained, from {@code sails_run.json} and {@code metrics.jsonl}.
 *
 * @param method how: {@code sails}, {@code lora}, {@code full}
 * @param lossBefore mean on the evaluation pairs; where answers are sampled, the negated mean reward
 * @param heldOut whether those were kept out of training
 * @param shareInside share of the whole update inside the safety subspace, null without one
 * @param history the steps of training
 * @param evaluations between them
 */
public record TrainingPart(PartOrigin origin, String method, long trainableParameters, long steps, @Nullable Double lossBefore,
    @Nullable Double lossAfter, long evaluationPairs, boolean heldOut, @Nullable Double shareInside, List<Step> history,
    List<Evaluation> evaluations) implements ReportPart {
    public TrainingPart {
        Required.present(method, "method");
        history = List.copyOf(history);
        evaluations = List.copyOf(evaluations);
    }

    /**
     * A step of the optimizer.
     *
     * @param answers that it learned from, null where none were sampled
     */
    public record Step(long step, double loss, @Nullable Double gradNorm, @Nullable Double lr, @Nullable Double shareInside,
        @Nullable Answers answers) {
    }

    /**
     * What sampled answers came to.
     *
     * @param reward mean
     * @param kl mean log-probability of an answer minus that of the untrained model, in nats
     * @param answerTokens mean
     * @param refusalRate share of refusals, a partial one counts half
     */
    public record Answers(double reward, @Nullable Double kl, @Nullable Double answerTokens, @Nullable Double refusalRate) {
    }

    /**
     * The loss on the evaluation pairs.
     *
     * @param evaluation when: {@code before}, {@code step}, {@code after}
     * @param rewardMargin of objectives that have rewards of pairs
     * @param answers greedy ones, null where none were made
     */
    public record Evaluation(String evaluation, long step, double loss, @Nullable Double rewardMargin, @Nullable Double rewardAccuracy,
        @Nullable Answers answers) {
        public Evaluation {
            Required.present(evaluation, "evaluation");
        }
    }
}
