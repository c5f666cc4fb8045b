package io.sails4j.data;

import io.sails4j.InputException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The chat template of a tokenizer's family: the beginning of text once, then turn after turn, contents trimmed. */
public final class ChatTemplate {
    private final Tokenizer tokenizer;
    private final Turns turns;

    /**
     * The template whose control tokens a tokenizer has.
     *
     * @throws InputException where it has those of none
     */
    public ChatTemplate(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
        this.turns = switch (tokenizer.control()) {
            case GEMMA -> new GemmaTurns(tokenizer);
            case LLAMA3 -> new Llama3Turns(tokenizer);
        };
    }

    /** How a family writes a turn. */
    private sealed interface Turns {
        /** A whole turn; user is false for the model. */
        int[] turn(String role, String content);

        /** The opening of the model's turn. */
        int[] answerOpening();

        /** The token that ends an answer. */
        int end();

        boolean knowsSystem();
    }

    /**
     * {@code <start_of_turn>user\n...<end_of_turn>\n} and {@code <start_of_turn>model\n...<end_of_turn>\n}
     * (google/gemma-2-2b-it tokenizer_config.json, chat_template).
     */
    private record GemmaTurns(Tokenizer tokenizer) implements Turns {
        @Override
        public int[] turn(String role, String content) {
            String name = role.equals("user") ? "user" : "model";
            return concat(ids("<start_of_turn>"), tokenizer.encodeText(name + "\n" + content), ids("<end_of_turn>"),
                tokenizer.encodeText("\n"));
        }

        @Override
        public int[] answerOpening() {
            return concat(ids("<start_of_turn>"), tokenizer.encodeText("model\n"));
        }

        @Override
        public int end() {
            return tokenizer.idOf("<end_of_turn>");
        }

        @Override
        public boolean knowsSystem() {
            return false;
        }

        private int[] ids(String token) {
            return new int[] {tokenizer.idOf(token)};
        }
    }

    /**
     * {@code <|start_header_id|>user<|end_header_id|>\n\n...<|eot_id|>} (meta-llama/Meta-Llama-3-8B-Instruct tokenizer_config.json,
     * chat_template). The templates of 3.1 and later put a system turn with the day's date first; it is left out, because the same prompt
     * would be another one tomorrow.
     */
    private record Llama3Turns(Tokenizer tokenizer) implements Turns {
        @Override
        public int[] turn(String role, String content) {
            String name = role.equals("model") ? "assistant" : role;
            // The pre-tokenizer never joins line breaks and what follows, so an answer may be encoded apart from them.
            return concat(header(name), tokenizer.encodeText("\n\n" + content), new int[] {end()});
        }

        @Override
        public int[] answerOpening() {
            return concat(header("assistant"), tokenizer.encodeText("\n\n"));
        }

        private int[] header(String name) {
            return concat(new int[] {tokenizer.idOf("<|start_header_id|>")}, tokenizer.encodeText(name),
                new int[] {tokenizer.idOf("<|end_header_id|>")});
        }

        @Override
        public int end() {
            return tokenizer.idOf("<|eot_id|>");
        }

        @Override
        public boolean knowsSystem() {
            return true;
        }
    }

    /** Whether a conversation may begin with a system turn. */
    public boolean knowsSystem() {
        return turns.knowsSystem();
    }

    /** Ids of the conversation and the opening of the model's turn: what an answer is generated from. */
    public int[] prompt(List<Message> messages) {
        requireTurns(messages);
        List<int[]> parts = new ArrayList<>();
        parts.add(new int[] {tokenizer.bosId()});
        messages.forEach(message -> parts.add(turns.turn(message.role(), PythonText.strip(message.content()))));
        parts.add(turns.answerOpening());
        return concat(parts.toArray(int[][]::new));
    }

    /** The tokens of a model's answer that training counts: the text and the token that ends it. */
    public int[] answer(String text) {
        return concat(tokenizer.encodeText(PythonText.strip(text)), new int[] {turns.end()});
    }

    private void requireTurns(List<Message> messages) {
        boolean system = turns.knowsSystem() && !messages.isEmpty() && messages.getFirst().role().equals("system");
        int first = system ? 1 : 0;
        if (messages.size() == first) {
            throw new InputException("the conversation is empty, expected at least one user turn");
        }
        for (int i = first; i < messages.size(); i++) {
            requireTurn(messages.get(i).role(), i, (i - first) % 2 == 0);
        }
        if (!messages.getLast().role().equals("user")) {
            throw new InputException("the last turn has the role '" + messages.getLast().role() + "', expected 'user'");
        }
    }

    private void requireTurn(String role, int i, boolean userExpected) {
        if (role.equals("system")) {
            throw new InputException("turn " + (i + 1) + " has the role 'system', which "
                + (turns.knowsSystem() ? "may only stand first"
                    : "the model's chat template does not know; put its text into the first user turn"));
        }
        boolean user = role.equals("user");
        if (!user && !role.equals("assistant") && !role.equals("model")) {
            throw new InputException("turn " + (i + 1) + " has the role '" + role + "', expected user or assistant");
        }
        if (user != userExpected) {
            throw new InputException("turn " + (i + 1) + " has the role '" + role
                + "', but turns must alternate user, assistant, user, ... and begin with user");
        }
    }

    private static int[] concat(int[]... parts) {
        return Arrays.stream(parts).flatMapToInt(Arrays::stream).toArray();
    }
}
