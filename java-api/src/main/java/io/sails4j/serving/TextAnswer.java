package io.sails4j.serving;

import io.sails4j.model.TokenLogprobs;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/** An answer as text that comes in pieces. One thread at a time reads it; any may cancel it. */
public final class TextAnswer {
    private final Completion completion;
    private final TextPieces pieces;
    private final IntFunction<String> name;
    private final StringBuilder text = new StringBuilder();
    private int tokens;
    private @Nullable Ending ending;

    /** @param name the text of a token, control tokens too */
    TextAnswer(Completion completion, TextPieces pieces, IntFunction<String> name) {
        this.completion = completion;
        this.pieces = pieces;
        this.name = name;
    }

    /**
     * The next piece, never an empty one; waits for it.
     *
     * @return null where nothing more comes
     * @throws InterruptedException where the thread is interrupted while it waits; the answer goes on
     */
    public @Nullable String next() throws InterruptedException {
        while (ending == null) {
            int id = completion.next();
            String piece = id < 0 ? pieces.rest() : pieces.add(id);
            tokens += id < 0 ? 0 : 1;
            if (pieces.stopped()) {
                // The scheduler does not know of texts.
                completion.cancel();
                ending = Ending.of(Finish.STOP);
            } else if (id < 0) {
                ending = completion.await();
            }
            if (!piece.isEmpty()) {
                text.append(piece);
                return piece;
            }
        }
        return null;
    }

    /**
     * The whole text, once it is there.
     *
     * @throws InterruptedException where the thread is interrupted while it waits; the answer goes on
     */
    public String text() throws InterruptedException {
        while (next() != null) {
            // Each piece is kept.
        }
        return text.toString();
    }

    /**
     * How it ended, once its text is there.
     *
     * @throws InterruptedException where the thread is interrupted while it waits; the answer goes on
     */
    public Ending ending() throws InterruptedException {
        text();
        return Objects.requireNonNull(ending);
    }

    /**
     * A token with its log probability and the likeliest ones; a text with U+FFFD is half a character.
     *
     * @param top likeliest first; empty where none were asked for
     */
    public record Logprob(String token, double logprob, List<Logprob> top) {
        public Logprob {
            top = List.copyOf(top);
        }
    }

    /**
     * Those of the tokens that the text until now is made of, from a number on; a token that ended it is left out. Empty where they were
     * not asked for.
     *
     * @param from of the first, from 0
     */
    public List<Logprob> logprobs(int from) {
        List<Logprob> named = new ArrayList<>();
        List<TokenLogprobs> later = completion.logprobs(from);
        for (TokenLogprobs one : later.subList(0, Math.clamp(tokens - from, 0, later.size()))) {
            if (completion.request().options().stopIds().contains(one.id())) {
                break;
            }
            List<Logprob> top = new ArrayList<>();
            for (int t = 0; t < one.topIds().length; t++) {
                top.add(new Logprob(name.apply(one.topIds()[t]), one.topLogprobs()[t], List.of()));
            }
            named.add(new Logprob(name.apply(one.id()), one.logprob(), top));
        }
        return named;
    }

    /** Tokens that the text until now is made of. */
    public int tokens() {
        return tokens;
    }

    /** Tokens of the prompt. */
    public int promptTokens() {
        return completion.request().prompt().length;
    }

    /** What the scheduler does for it: times, shared tokens. */
    public Completion completion() {
        return completion;
    }

    /** Ends it within a token, unless it has ended. */
    public void cancel() {
        completion.cancel();
    }
}
