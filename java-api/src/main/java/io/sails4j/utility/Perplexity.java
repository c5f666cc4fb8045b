package io.sails4j.utility;

import io.sails4j.InputException;
import io.sails4j.data.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * The loss of documents, long ones by windows with a stride (Hugging Face, Perplexity of fixed-length models): the first window counts all
 * of its tokens, each further one the tokens that are new in it, behind at least window - stride tokens. Every window begins with BOS,
 * where that guide's later windows do not: Gemma computes little of use without it.
 */
public final class Perplexity {
    private final TokenLosses losses;
    private final Tokenizer tokenizer;
    private final int window;
    private final int stride;

    /**
     * The loss by a model.
     *
     * @param window tokens that a pass reads at most
     * @param stride tokens that each further window counts
     */
    public Perplexity(TokenLosses losses, Tokenizer tokenizer, int window, int stride) {
        this.losses = losses;
        this.tokenizer = tokenizer;
        this.window = window;
        this.stride = stride;
        InputException.requireOption(window >= 2, "window", window, "2 or more tokens");
        InputException.requireOption(stride >= 1 && stride <= window, "stride", stride, "1 to window=" + window);
    }

    /** The loss of a document. */
    public DocumentLoss of(TextDocument document) {
        int[] body = tokenizer.encodeText(document.text());
        List<DocumentLoss.Window> windows = new ArrayList<>();
        int done = 0;
        while (done < body.length) {
            int end = Math.min(done == 0 ? window : done + stride, body.length);
            int begin = Math.max(0, end - window);
            int[] ids = new int[1 + end - begin];
            ids[0] = tokenizer.bosId();
            System.arraycopy(body, begin, ids, 1, end - begin);
            double nats = 0;
            for (float loss : losses.of(ids, 1 + done - begin)) {
                nats += loss;
            }
            windows.add(new DocumentLoss.Window(nats, end - done));
            done = end;
        }
        return new DocumentLoss(document.text().getBytes(StandardCharsets.UTF_8).length, windows);
    }
}
