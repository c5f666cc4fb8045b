package io.sails4j.report;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How an adapter was trained, from {@code sails_run.json} and {@code metrics.jsonl}.
 *
 * @param method how: {@code sails}, {@code lora}, {@code full}
 * @param lossBefore mean on the evaluation pairs
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

    /** A step of the optimizer. */
    public record Step(long step, double loss, @Nullable Double gradNorm, @Nullable Double lr, @Nullable Double shareInside) {
    }

    /**
     * The loss on the evaluation pairs.
     *
     * @param evaluation when: {@code before}, {@code step}, {@code after}
     * @param rewardMargin of objectives that have rewards
     */
    public record Evaluation(String evaluation, long step, double loss, @Nullable Double rewardMargin, @Nullable Double rewardAccuracy) {
        public Evaluation {
            Required.present(evaluation, "evaluation");
        }
    }
}
