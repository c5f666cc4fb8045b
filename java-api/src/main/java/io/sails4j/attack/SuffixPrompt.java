package io.sails4j.attack;

import io.sails4j.InputException;
import io.sails4j.eval.EvalPrompt;
import io.sails4j.eval.OpenArm;
import io.sails4j.model.Labels;
import io.sails4j.model.TokenBatch;
import java.util.Arrays;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * A prompt with a place for a suffix: what an arm reads is {@code prefix}, the suffix, {@code rest} (the end of the user's turn and the
 * opening of the answer), and then {@code target}, the beginning of the answer that is wanted.
 */
final class SuffixPrompt {
    private final OpenArm arm;
    private final EvalPrompt prompt;
    private final int[] prefix;
    private final int[] first;
    private final int[] rest;
    private final int[] target;
    private final String anchor;
    private final Function<String, int[]> idsOf;

    /** @param suffix text to begin with */
    SuffixPrompt(OpenArm arm, EvalPrompt prompt, String suffix, int[] target) {
        this.arm = arm;
        this.prompt = prompt;
        this.target = target.clone();
        this.idsOf = arm.idsOfRequests(prompt);
        int[] without = arm.ids(prompt);
        int[] with = arm.ids(prompt, prompt.request() + " " + suffix);
        int begin = Arrays.mismatch(without, with);
        int end = 0;
        while (end < Math.min(with.length, without.length) - begin && with[with.length - 1 - end] == without[without.length - 1 - end]) {
            end++;
        }
        this.prefix = Arrays.copyOf(with, begin);
        this.first = Arrays.copyOfRange(with, begin, with.length - end);
        this.rest = Arrays.copyOfRange(with, with.length - end, with.length);
        this.anchor = begin == 0 ? "" : arm.tokenizer().decode(new int[] {prefix[begin - 1]}, true);
        if (begin == 0 || first.length == 0 || !survives(first)) {
            throw new InputException(
                prompt.origin() + ": the suffix '" + suffix + "' is no tokens of its own behind this prompt; begin with "
                    + "another suffix");
        }
    }

    EvalPrompt prompt() {
        return prompt;
    }

    /** The tokens of the text to begin with, behind this prompt. */
    int[] first() {
        return first.clone();
    }

    int[] prefix() {
        return prefix.clone();
    }

    int targets() {
        return target.length;
    }

    /** What is written behind the request. A decoder may drop the space of what stands first, so that something stands before it. */
    String text(int[] suffix) {
        String whole = arm.tokenizer().decode(joined(new int[] {prefix[prefix.length - 1]}, suffix), true);
        return whole.startsWith(anchor) ? whole.substring(anchor.length()) : whole;
    }

    /** What is asked with a suffix. */
    int[] question(int[] suffix) {
        return joined(prefix, suffix, rest);
    }

    /** Everything behind the prefix, up to the target's end. */
    int[] continuation(int[] suffix) {
        return joined(suffix, rest, target);
    }

    /** All of it, with the target as what is counted. */
    TokenBatch whole(int[] suffix) {
        int[] ids = joined(prefix, suffix, rest, target);
        int[] labels = ids.clone();
        Arrays.fill(labels, 0, ids.length - target.length, Labels.IGNORE_INDEX);
        return TokenBatch.of(ids).withLabels(labels);
    }

    /** Whether the suffix as a text, in the whole prompt, is these tokens again. */
    boolean survives(int[] suffix) {
        return Arrays.equals(idsOf.apply(prompt.request() + text(suffix)), question(suffix));
    }

    /** Fails where the chat template makes something else of the text than what was searched. */
    void requireRendered(int[] suffix) {
        if (!Arrays.equals(arm.ids(prompt, prompt.request() + text(suffix)), question(suffix))) {
            throw new InputException(prompt.origin() + ": the chat template of " + arm.name() + " changes the suffix '" + text(suffix)
                + "'; name a template that writes requests as they are with template=FILE");
        }
    }

    private static int[] joined(int[]... parts) {
        return Arrays.stream(parts).flatMapToInt(IntStream::of).toArray();
    }
}
