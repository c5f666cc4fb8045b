package io.sails4j.data;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Marks by which chat templates set turns apart. Data that went through a template has them inside its texts; the model's own template
 * comes around them again, and they would be trained as text.
 */
final class TurnMarks {
    /** ChatML, Llama-3, Gemma, Zephyr and Phi, Mistral and Llama-2, Llama-4, Cohere, DeepSeek. */
    private static final Pattern MARK = Pattern
        .compile("<\\|(?:im_start|im_end|im_sep|begin_of_text|end_of_text|start_header_id|end_header_id"
            + "|eot_id|eom_id|eot|eom|header_start|header_end|user|assistant|system|end|endoftext"
            + "|START_OF_TURN_TOKEN|END_OF_TURN_TOKEN)\\|>"
            + "|<(?:start_of_turn|end_of_turn)>|\\[/?INST]|<</?SYS>>"
            + "|<\uff5c(?:User|Assistant|begin\u2581of\u2581sentence|end\u2581of\u2581sentence)\uff5c>");
    /** What only means a turn at the end of a prompt, where the answer begins. */
    private static final Pattern OPEN = Pattern.compile("(?:^|\\s)(?:###? ?(?:Response|Answer|Assistant):?|ASSISTANT:|Assistant:)\\s*$");
    /** What only means the end of a turn at the end of an answer. */
    private static final Pattern ENDED = Pattern.compile("(?:</s>|<eos>)\\s*$");

    private TurnMarks() {
    }

    /** The first mark that means nothing else, null where there is none. */
    static @Nullable String in(String text) {
        return first(MARK, text);
    }

    /** A mark at the end of a user's turn that opens an answer, null where there is none. */
    static @Nullable String openedBy(String turn) {
        return first(OPEN, turn);
    }

    /** A mark at the end of an answer, null where there is none. */
    static @Nullable String endedBy(String answer) {
        return first(ENDED, answer);
    }

    private static @Nullable String first(Pattern pattern, String text) {
        Matcher matcher = pattern.matcher(text);
        return matcher.find() ? PythonText.strip(matcher.group()) : null;
    }
}
