package io.sails4j.utility;

import io.sails4j.data.Tokenizer;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelSession;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * What a document says of a model whose weights were made smaller.
 *
 * @param divergences KL(before || after) in nats at each token
 */
public record QuantizationLoss(DocumentLoss before, DocumentLoss after, double[] divergences) {
    public QuantizationLoss {
        divergences = divergences.clone();
    }

    @Override
    public double[] divergences() {
        return divergences.clone();
    }

    /** Measures documents, in pieces of a window without overlap; every piece begins with BOS. */
    public static final class Measure implements AutoCloseable {
        private final ModelSession before;
        private final ModelSession after;
        private final TokenLosses lossesBefore;
        private final TokenLosses lossesAfter;
        private final Tokenizer tokenizer;
        private final int window;

        /**
         * A comparison of two models of one tokenizer.
         *
         * @param window tokens that a pass reads at most
         */
        public Measure(CausalModel before, CausalModel after, Tokenizer tokenizer, int window) {
            this.tokenizer = tokenizer;
            this.window = window;
            this.before = ModelSession.open(before);
            this.after = ModelSession.open(after);
            this.lossesBefore = new TokenLosses(this.before, AdapterStack.none());
            this.lossesAfter = new TokenLosses(this.after, AdapterStack.none());
        }

        /** Of one document. */
        public QuantizationLoss of(TextDocument document) {
            DocumentLoss ofBefore = new Perplexity(lossesBefore, tokenizer, window, window).of(document);
            DocumentLoss ofAfter = new Perplexity(lossesAfter, tokenizer, window, window).of(document);
            Divergence divergence = new Divergence(before, AdapterStack.none(), after, AdapterStack.none());
            int[] ids = tokenizer.encodeText(document.text());
            List<double[]> pieces = new ArrayList<>();
            for (int at = 0; at < ids.length; at += window) {
                int[] piece = new int[1 + Math.min(window, ids.length - at)];
                piece[0] = tokenizer.bosId();
                System.arraycopy(ids, at, piece, 1, piece.length - 1);
                pieces.add(divergence.of(piece, 1));
            }
            return new QuantizationLoss(ofBefore, ofAfter, pieces.stream().flatMapToDouble(Arrays::stream).toArray());
        }

        @Override
        public void close() {
            lossesBefore.close();
            lossesAfter.close();
            before.close();
            after.close();
        }
    }
}
