package io.sails4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.io.RefusedInput;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.testing.Backends;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Set;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Documents packed into one row against sequences alone, positions of padded rows, and batches that the model cannot take. */
class TokenBatchTest {
    private static final ModelConfig CONFIG = ModelConfig.gemma2().vocabSize(53).dModel(24).layers(2).heads(2, 1).headDim(8).dFf(40)
        .slidingWindow(3).maxPositionEmbeddings(24).checkpointDtype(DType.F32).build();
    /** Logits are capped at 30; what enters is of order one and passes two blocks of sums of at most 40 terms. */
    private static final Offset<Float> ROUNDING = Offset.offset(30 * 64 * 0x1p-24f);
    private static final int[] LONG = {2, 7, 11, 13, 5, 31, 8};
    private static final int[] SHORT = {2, 40, 3};
    private static Engine engine;
    private static CausalModel model;
    private static ModelSession session;

    @BeforeAll
    static void open() {
        engine = Backends.open("cpu", 1);
        model = new CausalModel(engine, ModelWeights.random(CONFIG, engine, DType.F32, 3), false);
        session = ModelSession.open(model);
    }

    @AfterAll
    static void close() {
        session.close();
        model.close();
        engine.close();
    }

    private static float[] logits(TokenBatch batch, int... rows) {
        try (ForwardPass pass = session.forward(batch, AdapterStack.none(), ForwardOptions.inference())) {
            return session.logits(pass, rows).toFloatArray();
        }
    }

    @Test
    void positionsEndWhereTheModelEnds() {
        int[] ids = new int[CONFIG.maxPositionEmbeddings()];
        assertThat(logits(TokenBatch.of(ids), 0)).hasSize(53);
        int[] longer = new int[ids.length + 1];
        assertThatThrownBy(() -> logits(TokenBatch.of(longer), 0)).isInstanceOf(InputException.class)
            .hasMessageContaining("is 25, more than")
            .hasMessageContaining("max_position_embeddings of 24");
        TokenBatch far = new TokenBatch(1, 1, new int[1], new int[] {1}, new int[] {Integer.MAX_VALUE});
        assertThatThrownBy(() -> logits(far, 0)).isInstanceOf(InputException.class).hasMessageContaining("2147483648");
    }

    private static Generator generator() {
        return new Generator(session, AdapterStack.none());
    }

    private static int[] extended(int[] prompt, int[] more, int count) {
        int[] ids = Arrays.copyOf(prompt, prompt.length + count);
        System.arraycopy(more, 0, ids, prompt.length, count);
        return ids;
    }

    @Test
    void packedDocumentsAgainstSequencesAlone() {
        int[] ids = extended(LONG, SHORT, SHORT.length);
        int[] segments = new int[ids.length];
        int[] positions = new int[ids.length];
        for (int i = 0; i < ids.length; i++) {
            segments[i] = i < LONG.length ? 1 : 2;
            positions[i] = i < LONG.length ? i : i - LONG.length;
        }
        float[] packed = logits(new TokenBatch(1, ids.length, ids, segments, positions), LONG.length - 1, ids.length - 1);
        int vocab = (int) CONFIG.vocabSize();
        assertThat(Arrays.copyOf(packed, vocab)).containsExactly(logits(TokenBatch.of(LONG), LONG.length - 1), ROUNDING);
        assertThat(Arrays.copyOfRange(packed, vocab, 2 * vocab)).containsExactly(logits(TokenBatch.of(SHORT), SHORT.length - 1), ROUNDING);
    }

    @Test
    void limits() {
        RefusedInput.input(() -> generator().generate(LONG, GenerationOptions.greedy(18, Set.of()), null), Path.of("7 tokens"), "18 new",
            "24");
        assertThat(generator().generate(LONG, GenerationOptions.greedy(17, Set.of()), null)).hasSize(17);
        RefusedInput.input(() -> generator().generate(new int[0], GenerationOptions.greedy(1, Set.of()), null), Path.of("no tokens"),
            "BOS");
        RefusedInput.input(() -> generator().generate(new int[] {2, 53}, GenerationOptions.greedy(1, Set.of()), null),
            Path.of("token id 53"), "53");
    }

    @Test
    void positionsOfPaddedRows() {
        int[] mask = {0, 0, 1, 1, 1, 1, 1, 0};
        TokenBatch batch = TokenBatch.of(2, 4, new int[8], mask);
        assertThat(batch.positionIds()).containsExactly(0, 0, 0, 1, 0, 1, 2, 2);
    }
}
