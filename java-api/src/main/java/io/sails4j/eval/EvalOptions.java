package io.sails4j.eval;

import io.sails4j.InputException;
import io.sails4j.model.BatchOptions;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;
import io.sails4j.tensor.Backend;
import io.sails4j.utility.UtilityOptions;

/**
 * What an evaluation does.
 *
 * @param answers how prompts are answered
 * @param utility how usefulness is measured
 */
@OptionGroup("Evaluation")
public record EvalOptions(AnswerOptions answers, UtilityOptions utility,
    @Described(value = "prompts or documents of each file, or questions of each subject, the first ones, 0 = all", label = "N") int limit,
    @Described(value = "sequences that are answered at a time; the texts do not depend on it", label = "N", decides = false) int batch,
    @Described(value = "rows of every decoding step, 0 = what suits the backend", label = "N") int decodeRows,
    @Described(value = "seed of everything random", label = "N") long seed) {

    public EvalOptions {
        if (limit < 0) {
            throw new InputException("limit is " + limit + ", expected 0 (all prompts) or more");
        }
        if (batch < 1 || batch > BatchOptions.MOST_SEQUENCES) {
            throw new InputException("batch is " + batch + ", expected 1 to " + BatchOptions.MOST_SEQUENCES + " sequences at a time");
        }
        if (decodeRows < 0 || decodeRows > BatchOptions.MOST_SEQUENCES) {
            throw new InputException("decode_rows is " + decodeRows + ", expected 0 (what suits the backend) to "
                + BatchOptions.MOST_SEQUENCES);
        }
    }

    /** All prompts, greedy answers. */
    public static EvalOptions defaults() {
        return new EvalOptions(AnswerOptions.defaults(), UtilityOptions.defaults(), 0, 32, 0, 0);
    }

    /** Rows of every decoding step: what is asked for, or what suits the backend. */
    int rowsOn(Backend backend) {
        return decodeRows > 0 ? decodeRows : BatchOptions.rowsOf(backend);
    }

    /** The same with prompts answered otherwise. */
    public EvalOptions withAnswers(AnswerOptions other) {
        return new EvalOptions(other, utility, limit, batch, decodeRows, seed);
    }

    /** The same with usefulness measured otherwise. */
    public EvalOptions withUtility(UtilityOptions other) {
        return new EvalOptions(answers, other, limit, batch, decodeRows, seed);
    }

    /** The same with another seed. */
    public EvalOptions withSeed(long other) {
        return new EvalOptions(answers, utility, limit, batch, decodeRows, other);
    }
}
