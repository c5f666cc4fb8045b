package io.sails4j.utility;

import io.sails4j.InputException;
import io.sails4j.data.Tokenizer;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelSession;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
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

    /** Measures documents, in pieces of a window without overlap; every piece begins with BOS and goes through each model once. */
    public static final class Measure implements AutoCloseable {
        private final ModelSession before;
        private final ModelSession after;
        private final Tokenizer tokenizer;
        private final int window;

        /**
         * A comparison of two models of one tokenizer.
         *
         * @param window tokens that a pass counts at most
         */
        public Measure(CausalModel before, CausalModel after, Tokenizer tokenizer, int window) {
            InputException.requireOption(window >= 2, "window", window, "2 or more tokens");
            this.tokenizer = tokenizer;
            this.window = window;
            this.before = ModelSession.open(before);
            this.after = ModelSession.open(after);
        }

        /** Of one document. */
        public QuantizationLoss of(TextDocument document) {
            Divergence divergence = new Divergence(before, AdapterStack.none(), after, AdapterStack.none());
            int[] body = tokenizer.encodeText(document.text());
            List<Divergence.Place> all = new ArrayList<>();
            List<DocumentLoss.Window> ofBefore = new ArrayList<>();
            List<DocumentLoss.Window> ofAfter = new ArrayList<>();
            for (int at = 0; at < body.length; at += window) {
                int count = Math.min(window, body.length - at);
                int[] piece = new int[1 + count];
                piece[0] = tokenizer.bosId();
                System.arraycopy(body, at, piece, 1, count);
                List<Divergence.Place> places = divergence.places(piece, 1);
                all.addAll(places);
                ofBefore.add(new DocumentLoss.Window(places.stream().mapToDouble(Divergence.Place::baseLoss).sum(), count));
                ofAfter.add(new DocumentLoss.Window(places.stream().mapToDouble(Divergence.Place::otherLoss).sum(), count));
            }
            long bytes = document.text().getBytes(StandardCharsets.UTF_8).length;
            return new QuantizationLoss(new DocumentLoss(bytes, ofBefore), new DocumentLoss(bytes, ofAfter),
                all.stream().mapToDouble(Divergence.Place::divergence).toArray());
        }

        @Override
        public void close() {
            before.close();
            after.close();
        }
    }
}
