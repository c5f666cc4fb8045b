package io.sails4j.train;

import io.sails4j.io.InputException;

/**
 * Looking at the held-out pairs while the run goes on.
 *
 * @param every optimizer steps between evaluations, 0 = before and after the run alone
 * @param patience stop after this many evaluations in a row without a lower loss, 0 = never
 * @param keepBest end with the parameters of the lowest evaluation loss, not with the last ones
 */
public record EvaluationOptions(long every, int patience, boolean keepBest) {
    public EvaluationOptions {
        if (every < 0) {
            throw new InputException("eval_every is " + every + ", expected 0 (before and after alone) or more steps");
        }
        if (patience < 0) {
            throw new InputException("patience is " + patience + ", expected 0 (never stop early) or more evaluations");
        }
        if (every == 0 && (patience > 0 || keepBest)) {
            throw new InputException("stopping early and keeping the best parameters need evaluations on the way: set eval_every");
        }
    }

    public static EvaluationOptions none() {
        return new EvaluationOptions(0, 0, false);
    }
}
