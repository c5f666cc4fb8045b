package io.sails4j.attack;

import io.sails4j.InputException;
import io.sails4j.data.Wanted;
import io.sails4j.eval.EvalPrompt;
import io.sails4j.eval.OpenArm;

/** How the answers begin that an attack wants. */
final class Targets {
    /** The affirmative beginning of arXiv:2307.15043, section 2.1, without the words of a prompt. */
    static final String DEFAULT = "Sure, here is";

    private Targets() {
    }

    static void requireText(String target) {
        if (target.isBlank()) {
            throw new InputException("target is empty, expected the beginning of an answer");
        }
    }

    /** The prompt's own, or the one for all others, in tokens. */
    static int[] ids(OpenArm arm, EvalPrompt prompt, String otherwise) {
        String text = prompt.target().isEmpty() ? otherwise : prompt.target();
        int[] ids = arm.tokenizer().encodeText(text);
        if (ids.length == 0) {
            throw new InputException(prompt.origin() + " has the target '" + text + "', which is no token; expected a text");
        }
        return ids;
    }

    /** Prompts that want an answer are asked as they are: there is nothing to attack. */
    static boolean isAttacked(EvalPrompt prompt) {
        return prompt.wanted() != Wanted.COMPLY;
    }
}
