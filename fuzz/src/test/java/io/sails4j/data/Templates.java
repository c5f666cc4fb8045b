package io.sails4j.data;

import java.util.List;

/** Chat templates without a tokenizer, for the fuzzer. */
public final class Templates {
    private static final List<Message> CONVERSATION = List.of(new Message("system", "s"), new Message("user", " u "),
        new Message("assistant", "a"), new Message("user", "{{ x }}"));

    private Templates() {
    }

    /** Renders a template over a conversation of four turns. */
    public static void render(String source) {
        new JinjaTemplate("template", source).render(CONVERSATION, true, "<bos>", "<eos>");
    }
}
