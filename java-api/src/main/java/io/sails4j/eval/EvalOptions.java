package io.sails4j.eval;

import io.sails4j.InputException;
import io.sails4j.model.BatchOptions;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;
import io.sails4j.tensor.Backend;

/**
 * What an evaluation does.
 *
 * @param answers how prompts are answered
 */
@OptionGroup("Evaluation")
public record EvalOptions(AnswerOptions answers,
    @Described(value = "prompts of each file, the first ones, 0 = all", label = "N") int limit,
    @Described(value = "sequences that are answered at a time; the texts do not depend on it", label = "N", decides = false) int batch,
    @Described(value = "rows of every decoding step, 0 = what suits the backend", label = "N") int decodeRows,
    @Described(value = "seed of everything random", label = "N") long seed) {

    public EvalOptions {
        if (limit < 0) {
            throw new InputException("limit is " + limit + ", expected 0 (all prompts) or more");
        }
        if (batch < 1) {
            throw new InputException("batch is " + batch + ", expected 1 or more sequences at a time");
        }
        if (decodeRows < 0) {
            throw new InputException("decode_rows is " + decodeRows + ", expected 0 (what suits the backend) or more");
        }
    }

    /** All prompts, greedy answers. */
    public static EvalOptions defaults() {
        return new EvalOptions(AnswerOptions.defaults(), 0, 32, 0, 0);
    }

    /** Rows of every decoding step: what is asked for, or what suits the backend. */
    int rowsOn(Backend backend) {
        return decodeRows > 0 ? decodeRows : BatchOptions.rowsOf(backend);
    }

    /** The same with prompts answered otherwise. */
    public EvalOptions withAnswers(AnswerOptions other) {
        return new EvalOptions(other, limit, batch, decodeRows, seed);
    }

    /** The same with another seed. */
    public EvalOptions withSeed(long other) {
        return new EvalOptions(answers, limit, batch, decodeRows, other);
    }
}
