package io.sails4j.serving;

import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** An answer as text that comes in pieces. One thread at a time reads it; any may cancel it. */
public final class TextAnswer {
    private final Completion completion;
    private final TextPieces pieces;
    private final StringBuilder text = new StringBuilder();
    private int tokens;
    private @Nullable Ending ending;

    TextAnswer(Completion completion, TextPieces pieces) {
        this.completion = completion;
        this.pieces = pieces;
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
