package io.sails4j.train;

import io.sails4j.InputException;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;

/** Looking at the evaluation pairs before, after and while the run goes on. */
@OptionGroup("Evaluation")
public record EvaluationOptions(
    @Described(
        value = "pairs that the loss before and after is measured on; held out of training where they are at most a tenth of the data",
        label = "N") int evalPairs,
    @Described(value = "steps between evaluations on the evaluation pairs, 0 = before and after alone", label = "N") long evalEvery,
    @Described(value = "stop after N evaluations in a row without a lower loss, 0 = never", label = "N",
        usedWith = "eval_every>0") int patience,
    @Described(value = "end with the parameters of the lowest evaluation loss, not with the last ones",
        usedWith = "eval_every>0") boolean keepBest) {

    public EvaluationOptions {
        InputException.requireOption(evalPairs >= 1, "eval_pairs", evalPairs, "1 or more");
        InputException.requireOption(evalEvery >= 0, "eval_every", evalEvery, "0 (before and after alone) or more steps");
        InputException.requireOption(patience >= 0, "patience", patience, "0 (never stop early) or more evaluations");
        if (evalEvery == 0 && (patience > 0 || keepBest)) {
            throw new InputException("stopping early and keeping the best parameters need evaluations on the way: set eval_every");
        }
    }

    /** Before and after the run alone. */
    public static EvaluationOptions of(int pairs) {
        return new EvaluationOptions(pairs, 0, 0, false);
    }

    /** The same pairs, looked at on the way. */
    public EvaluationOptions every(long steps, int patience, boolean keepBest) {
        return new EvaluationOptions(evalPairs, steps, patience, keepBest);
    }
}
