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
    private int cutPrompts;
    private int cutAnswers;

    /**
     * Tokenizes pairs with a tokenizer's own chat template.
     *
     * @param maxLength longer sequences lose turns at the start of the prompt first, then the end of the answer
     */
    public PairTokenizer(Tokenizer tokenizer, int maxLength) {
        if (maxLength < 8) {
            throw new InputException("the maximum length is " + maxLength + " tokens, expected at least 8");
        }
        this.tokenizer = tokenizer;
        this.template = new ChatTemplate(tokenizer);
        this.maxLength = maxLength;
    }

    /** One pair. */
    public TokenPair tokenize(PreferencePair pair) {
        int[] chosen = template.answer(pair.chosen());
        int[] rejected = template.answer(pair.rejected());
        // One prompt for both answers: they are compared token by token after the same context.
        int[] prompt = fitted(pair.prompt(), Math.max(chosen.length, rejected.length));
        return new TokenPair(sequence(prompt, chosen, pair.origin()), sequence(prompt, rejected, pair.origin()));
    }

    /** All pairs, in order. */
    public List<TokenPair> tokenize(List<PreferencePair> pairs) {
        List<TokenPair> tokens = new ArrayList<>();
        pairs.forEach(pair -> tokens.add(tokenize(pair)));
        return tokens;
    }

    /** The prompt with as many of its last turns as leave room for the answer (half of the length at least is the prompt's to keep). */
    private int[] fitted(List<Message> messages, int answerLength) {
        int room = Math.max(maxLength - answerLength, maxLength / 2);
        int[] prompt = template.prompt(messages);
        if (prompt.length <= room) {
            return prompt;
        }
        cutPrompts++;
        List<Message> rest = messages;
        while (prompt.length > room && rest.size() > 2) {
            rest = rest.subList(2, rest.size());
            prompt = template.prompt(rest);
        }
        if (prompt.length > room) {
            int[] cut = Arrays.copyOfRange(prompt, prompt.length - room, prompt.length);
            cut[0] = tokenizer.bosId();
            return cut;
        }
        return prompt;
    }

    private TokenSequence sequence(int[] prompt, int[] answer, Origin origin) {
        int length = Math.min(maxLength, prompt.length + answer.length);
        if (length < prompt.length + answer.length) {
            cutAnswers++;
        }
        int[] ids = Arrays.copyOf(prompt, length);
        System.arraycopy(answer, 0, ids, prompt.length, length - prompt.length);
        boolean[] counted = new boolean[length];
        Arrays.fill(counted, prompt.length, length, true);
        return new TokenSequence(ids, counted, origin);
    }

    /** One sentence on what had to be cut, empty if nothing. */
    public String report() {
        return cutPrompts + cutAnswers == 0 ? "" : cutPrompts + " prompts lost turns or tokens at their start and " + cutAnswers
            + " answers tokens at their end to fit into " + maxLength + " tokens";
    }
}
