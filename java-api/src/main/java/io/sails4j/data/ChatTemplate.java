package io.sails4j.data;

import io.sails4j.io.InputException;
import java.util.ArrayList;
import java.util.List;

/**
 * Gemma-2's chat template: {@code <bos>} once, then for each turn
 * {@code <start_of_turn>user\n...<end_of_turn>\n} and {@code <start_of_turn>model\n...<end_of_turn>\n}, contents trimmed
 * (google/gemma-2-2b-it tokenizer_config.json, chat_template).
 */
public final class ChatTemplate {
    private final Tokenizer tokenizer;
    private final int startOfTurn;
    private final int endOfTurn;
    private final int[] newline;

    public ChatTemplate(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
        this.startOfTurn = tokenizer.idOf("<start_of_turn>");
        this.endOfTurn = tokenizer.idOf("<end_of_turn>");
        this.newline = tokenizer.encodeText("\n");
    }

    /** Ids of the conversation and the opening of the model's turn: what an answer is generated from. */
    public int[] prompt(List<Message> messages) {
        Builder ids = new Builder();
        requireTurns(messages, "user");
        ids.add(tokenizer.bosId());
        messages.forEach(message -> turn(ids, message));
        ids.add(startOfTurn);
        ids.add(tokenizer.encodeText("model\n"));
        return ids.toArray();
    }

    /** The tokens of a model's answer that training counts: the text and {@code <end_of_turn>}. */
    public int[] answer(String text) {
        Builder ids = new Builder();
        ids.add(tokenizer.encodeText(text.strip()));
        ids.add(endOfTurn);
        return ids.toArray();
    }

    private void turn(Builder ids, Message message) {
        ids.add(startOfTurn);
        String role = message.role().equals("user") ? "user" : "model";
        ids.add(tokenizer.encodeText(role + "\n" + message.content().strip()));
        ids.add(endOfTurn);
        ids.add(newline);
    }

    private static void requireTurns(List<Message> messages, String lastRole) {
        if (messages.isEmpty()) {
            throw new InputException("the conversation is empty, expected at least one user turn");
        }
        for (int i = 0; i < messages.size(); i++) {
            String role = messages.get(i).role();
            if (role.equals("system")) {
                throw new InputException("turn " + (i + 1) + " has the role 'system', which Gemma-2's chat template does not know; "
                    + "put its text into the first user turn");
            }
            boolean user = role.equals("user");
            if (!user && !role.equals("assistant") && !role.equals("model")) {
                throw new InputException("turn " + (i + 1) + " has the role '" + role + "', expected user or assistant");
            }
            if (user != (i % 2 == 0)) {
                throw new InputException("turn " + (i + 1) + " has the role '" + role
                    + "', but turns must alternate user, assistant, user, ... and begin with user");
            }
        }
        if (!messages.getLast().role().equals(lastRole)) {
            throw new InputException("the last turn has the role '" + messages.getLast().role() + "', expected '" + lastRole + "'");
        }
    }

    private static final class Builder {
        private final List<int[]> parts = new ArrayList<>();

        void add(int... ids) {
            parts.add(ids);
        }

        int[] toArray() {
            return parts.stream().flatMapToInt(java.util.Arrays::stream).toArray();
        }
    }
}
