package io.sails4j.utility;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sails4j.InputException;
import io.sails4j.data.Origin;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ForwardPass;
import io.sails4j.model.ModelSession;
import io.sails4j.model.TokenBatch;
import io.sails4j.ops.Engine;
import io.sails4j.stats.Bootstrap;
import io.sails4j.stats.Interval;
import io.sails4j.testing.Backends;
import io.sails4j.testing.LlamaOracle;
import io.sails4j.testing.TinyModel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Losses, windows and divergences against scalar double arithmetic. */
class PerplexityTest {
    /** Logits of order one, after sums of some dozens of terms in two layers. */
    private static final double ROUNDING = 2e-5;
    private static final String TEXT = "the one on the moon is not the one in the song.";

    @TempDir
    private Path directory;

    private DocumentLoss loss(UtilityWorld world, int window, int stride) {
        return new Perplexity(world.losses, world.tokenizer, window, stride).of(new TextDocument(TEXT, Origin.line(directory, 1)));
    }

    @Test
    void lossesAreThoseOfTheOracle() {
        try (UtilityWorld world = new UtilityWorld(directory)) {
            int[] ids = world.tokenizer.encodeWithBos(TEXT);
            float[] losses = world.losses.of(ids, 5);
            assertThat(losses).hasSize(ids.length - 5);
            for (int i = 5; i < ids.length; i++) {
                assertThat((double) losses[i - 5]).isCloseTo(-world.logLikelihood(Arrays.copyOf(ids, i + 1), i), within(ROUNDING));
            }
            DocumentLoss whole = loss(world, 100, 50);
            assertThat(whole.windows()).hasSize(1);
            assertThat(whole.tokens()).isEqualTo(ids.length - 1);
            assertThat(whole.bytes()).isEqualTo(TEXT.length());
            assertThat(whole.nats()).isCloseTo(-world.logLikelihood(ids, 1), within(ids.length * ROUNDING));
            assertThat(world.losses.of(ids, ids.length)).isEmpty();
        }
    }

    @Test
    void everyTokenIsCountedOnceBehindItsWindow() {
        try (UtilityWorld world = new UtilityWorld(directory)) {
            int[] body = world.tokenizer.encodeText(TEXT);
            for (int stride : new int[] {1, 5, 12}) {
                DocumentLoss loss = loss(world, 12, stride);
                assertThat(loss.tokens()).isEqualTo(body.length);
                int done = 0;
                for (DocumentLoss.Window window : loss.windows()) {
                    int end = done + (int) window.tokens();
                    int begin = Math.max(0, end - 12);
                    int[] ids = new int[end - begin + 1];
                    ids[0] = world.tokenizer.bosId();
                    System.arraycopy(body, begin, ids, 1, end - begin);
                    assertThat(window.nats()).isCloseTo(-world.logLikelihood(ids, 1 + done - begin), within(12 * ROUNDING));
                    assertThat(window.tokens()).isLessThanOrEqualTo(done == 0 ? 12 : stride);
                    done = end;
                }
            }
            assertThatThrownBy(() -> loss(world, 12, 13)).isInstanceOf(InputException.class).hasMessageContaining("stride is 13");
            assertThatThrownBy(() -> new UtilityOptions(400, 0, 0, ChoiceForm.LETTER, 1).perplexity(world.losses, world.tokenizer,
                world.model.config())).isInstanceOf(InputException.class).hasMessageContaining("window is 400").hasMessageContaining("128");
        }
    }

    /** Gemma caps its logits: the head's loss must do it as the logits have it. */
    @Test
    void cappedLogits() {
        int[] ids = {2, 7, 11, 13, 5, 31, 8};
        try (Engine engine = Backends.open("cpu", 1); CausalModel model = TinyModel.open(engine);
             ModelSession session = ModelSession.open(model); TokenLosses losses = new TokenLosses(session, AdapterStack.none())) {
            float[] actual = losses.of(ids, 1);
            double[] together = losses.logLikelihoods(Arrays.copyOf(ids, 6), List.of(new int[] {8}, new int[] {9}));
            try (ForwardPass pass = session.forward(TokenBatch.of(ids), AdapterStack.none(), ForwardOptions.inference())) {
                float[] logits = session.logits(pass, null).toFloatArray();
                double[][] expected = new double[ids.length][61];
                for (int t = 0; t < ids.length; t++) {
                    int from = t * 61;
                    Arrays.setAll(expected[t], v -> logits[from + v]);
                    expected[t] = LlamaOracle.logSoftmax(expected[t]);
                }
                for (int i = 1; i < ids.length; i++) {
                    assertThat((double) actual[i - 1]).isCloseTo(-expected[i - 1][ids[i]], within(ROUNDING));
                }
                assertThat(together[0]).isCloseTo(expected[5][8], within(ROUNDING));
                assertThat(together[1]).isCloseTo(expected[5][9], within(ROUNDING));
            }
        }
    }

    @Test
    void divergenceIsThatOfTheOracles() {
        int[] ids = {2, 270, 280, 265, 290, 12, 281, 263};
        try (UtilityWorld world = new UtilityWorld(directory);
             CausalModel changed = world.open((int) world.model.config().vocabSize(), 8);
             ModelSession again = ModelSession.open(world.model); ModelSession other = ModelSession.open(changed)) {
            double[] none = new Divergence(world.session, AdapterStack.none(), again, AdapterStack.none()).of(ids, 3);
            assertThat(none).hasSize(5).containsOnly(0);
            double[] actual = new Divergence(world.session, AdapterStack.none(), other, AdapterStack.none()).of(ids, 3);
            double[] inPieces = new Divergence(world.session, AdapterStack.none(), other, AdapterStack.none(),
                8 * world.model.config().vocabSize()).of(ids, 3);
            List<Divergence.Place> places = new Divergence(world.session, AdapterStack.none(), other, AdapterStack.none()).places(ids, 3);
            double[][] p = world.oracle.logits(ids);
            double[][] q = LlamaOracle.of(changed).logits(ids);
            for (int i = 3; i < ids.length; i++) {
                double[] lnP = LlamaOracle.logSoftmax(p[i - 1]);
                double[] lnQ = LlamaOracle.logSoftmax(q[i - 1]);
                double expected = 0;
                for (int v = 0; v < lnP.length; v++) {
                    expected += Math.exp(lnP[v]) * (lnP[v] - lnQ[v]);
                }
                assertThat(expected).isGreaterThan(10 * ROUNDING);
                assertThat(places.get(i - 3).divergence()).isEqualTo(actual[i - 3]);
                assertThat(places.get(i - 3).baseLoss()).isCloseTo(-lnP[ids[i]], within(ROUNDING));
                assertThat(places.get(i - 3).otherLoss()).isCloseTo(-lnQ[ids[i]], within(ROUNDING));
                assertThat(actual[i - 3]).isCloseTo(expected, within(ROUNDING));
                assertThat(inPieces[i - 3]).as("two rows at a time").isCloseTo(expected, within(ROUNDING));
            }
            try (CausalModel larger = world.open(400, 1); ModelSession session = ModelSession.open(larger)) {
                assertThatThrownBy(() -> new Divergence(world.session, AdapterStack.none(), session, AdapterStack.none()))
                    .isInstanceOf(InputException.class).hasMessageContaining("400");
            }
        }
    }

    @Test
    void intervalsResampleDocuments() {
        Interval point = DocumentLoss.perplexity(List.of(document(20, 10, 4), document(40, 20, 8)), Bootstrap.of(1));
        assertThat(point.value()).isCloseTo(Math.exp(60.0 / 30), within(1e-12));
        assertThat(point.low()).isCloseTo(point.high(), within(1e-12));
        Interval bits = DocumentLoss.bitsPerByte(List.of(document(20, 10, 4), document(10, 10, 8)), Bootstrap.of(1));
        assertThat(bits.value()).isCloseTo(30 / Math.log(2) / 12, within(1e-12));
        assertThat(bits.low()).isCloseTo(10 / Math.log(2) / 8, within(1e-12));
        assertThat(bits.high()).isCloseTo(20 / Math.log(2) / 4, within(1e-12));
        Interval alone = DocumentLoss.perplexity(List.of(document(20, 10, 4)), Bootstrap.of(1));
        assertThat(alone.value()).isCloseTo(Math.exp(2), within(1e-12));
        assertThat(alone.low()).isNaN();
        Interval windows = DocumentLoss.perplexity(List.of(new DocumentLoss(4, List.of(new DocumentLoss.Window(20, 10),
            new DocumentLoss.Window(30, 10)))), Bootstrap.of(1));
        assertThat(windows.low()).isCloseTo(Math.exp(2), within(1e-12));
        assertThat(windows.high()).isCloseTo(Math.exp(3), within(1e-12));
    }

    private static DocumentLoss document(double nats, long tokens, long bytes) {
        return new DocumentLoss(bytes, List.of(new DocumentLoss.Window(nats, tokens)));
    }

    @Test
    void filesOfTexts() throws Exception {
        Path text = Files.writeString(directory.resolve("a.txt"), "one\n\ntwo\n");
        assertThat(TextFile.read(text, null).documents()).extracting(TextDocument::text).containsExactly("one\n\ntwo\n");
        Path table = Files.writeString(directory.resolve("b.csv"), "id,text,body\n1,x,u\n2,,v\n");
        assertThat(TextFile.read(table, null).documents()).hasSize(1);
        assertThat(TextFile.read(table, null).notes()).containsExactly("1 of 2 rows have no text and are left out");
        assertThat(TextFile.read(table, "body").documents()).extracting(TextDocument::text).containsExactly("u", "v");
        assertThatThrownBy(() -> TextFile.read(table, "none")).isInstanceOf(InputException.class).hasMessageContaining("no column 'none'");
        Path empty = Files.writeString(directory.resolve("c.txt"), " \n");
        assertThatThrownBy(() -> TextFile.read(empty, null)).isInstanceOf(InputException.class).hasMessageContaining("has no text");
    }
}
