package io.sails4j.eval;

import com.fasterxml.jackson.databind.node.ObjectNode;
import org.jspecify.annotations.Nullable;

/**
 * What an arm answers to.
 *
 * @param ids the tokens that it goes on from
 * @param given how many of the last ones are the answer's already: they are part of what is judged
 * @param note what an attack says of it in {@code completions.jsonl}, null = nothing
 */
public record Question(int[] ids, int given, @Nullable ObjectNode note) {
    public Question {
        if (given < 0 || given >= ids.length) {
            throw new IllegalArgumentException(given + " of " + ids.length + " tokens begin the answer, expected 0 or more and fewer");
        }
    }
}
