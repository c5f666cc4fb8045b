package io.sails4j.data;

import io.sails4j.InputException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Turns preference pairs into token sequences by the chat template. */
public final class PairTokenizer {
    private final ChatTemplate template;
    private final Tokenizer tokenizer;
    private final int maxLength;
    private final List<Origin> leftOut = new ArrayList<>();
    private int cutPrompts;
    private int cutAnswers;

    /**
     * Tokenizes pairs with a tokenizer's own chat template.
     *
     * @param maxLength longer sequences lose turns at the start of the prompt first, then the end of the answer
     */
    public PairTokenizer(Tokenizer tokenizer, int maxLength) {
        this(tokenizer, new ChatTemplate(tokenizer), maxLength);
    }

    /** The same with another template of the tokenizer's. */
    public PairTokenizer(Tokenizer tokenizer, ChatTemplate template, int maxLength) {
        if (maxLength < 8) {
            throw new InputException("the maximum length is " + maxLength + " tokens, expected at least 8");
        }
        this.tokenizer = tokenizer;
        this.template = template;
        this.maxLength = maxLength;
    }

    /**
     * One pair.
     *
     * @throws InputException where the template does not know its turns
     */
    public TokenPair tokenize(PreferencePair pair) {
        int[] chosen = template.answer(pair.chosen());
        int[] rejected = template.answer(pair.rejected());
        // One prompt for both answers: they are compared token by token after the same context.
        int[] prompt = fitted(pair.prompt(), Math.max(chosen.length, rejected.length));
        return new TokenPair(sequence(prompt, chosen, pair.origin()), sequence(prompt, rejected, pair.origin()));
    }

    /** All pairs that the template can write, in order; the others are left out and told by {@link #report}. */
    public List<TokenPair> tokenize(List<PreferencePair> pairs) {
        List<TokenPair> tokens = new ArrayList<>();
        usable(pairs).forEach(pair -> tokens.add(tokenize(pair)));
        return tokens;
    }

    /** Without the pairs that the template cannot write, which are told by {@link #report}. */
    List<PreferencePair> usable(List<PreferencePair> pairs) {
        List<PreferencePair> usable = new ArrayList<>();
        for (PreferencePair pair : pairs) {
            if (template.knowsSystem() || !isSystem(pair.prompt().getFirst())) {
                usable.add(pair);
            } else {
                leftOut.add(pair.origin());
            }
        }
        return usable;
    }

    private static boolean isSystem(Message message) {
        return message.role().equals("system");
    }

    /**
     * The prompt with as many of its last turns as leave room for the answer (half of the length at least is the prompt's to keep). A
     * system turn is no turn of the conversation: it stays.
     */
    private int[] fitted(List<Message> messages, int answerLength) {
        int room = Math.max(maxLength - answerLength, maxLength / 2);
        int[] prompt = template.prompt(messages);
        if (prompt.length <= room) {
            return prompt;
        }
        cutPrompts++;
        int first = isSystem(messages.getFirst()) ? 1 : 0;
        for (int from = first + 2; prompt.length > room && from < messages.size(); from += 2) {
            List<Message> rest = new ArrayList<>(messages.subList(0, first));
            rest.addAll(messages.subList(from, messages.size()));
            prompt = template.prompt(rest);
        }
        if (prompt.length > room) {
            int[] cut = Arrays.copyOfRange(prompt, prompt.length - room, prompt.length);
            if (prompt[0] == tokenizer.bosId()) {
                cut[0] = prompt[0];
            }
            return cut;
        }
        return prompt;
    }

    private TokenSequence sequence(int[] prompt, int[] answer, Origin origin) {
        int length = Math.min(maxLength, prompt.length + answer.length);
        if (length < prompt.length + answer.length) {
            cutAnswers++;
        }
        return TokenSequence.answered(prompt, Arrays.copyOf(answer, length - prompt.length), origin);
    }

    /** One sentence each on what was left out and what had to be cut, empty if nothing. */
    public List<String> report() {
        List<String> sentences = new ArrayList<>();
        if (!leftOut.isEmpty()) {
            sentences.add(leftOut.size() + (leftOut.size() == 1 ? " pair" : " pairs")
                + " left out: a system turn, which the model's chat template does not know; put its text into the first user turn ("
                + Origin.describe(leftOut) + ")");
        }
        if (cutPrompts + cutAnswers > 0) {
            sentences.add(cutPrompts + " prompts lost turns or tokens at their start and " + cutAnswers
                + " answers tokens at their end to fit into " + maxLength + " tokens");
        }
        return sentences;
    }
}
