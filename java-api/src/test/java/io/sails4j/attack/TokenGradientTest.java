package io.sails4j.attack;

import static org.assertj.core.api.Assertions.assertThat;

import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.Labels;
import io.sails4j.model.ModelSession;
import io.sails4j.model.ModelWeights;
import io.sails4j.model.TokenBatch;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.testing.Backends;
import io.sails4j.testing.LlamaOracle;
import io.sails4j.testing.TinyModel;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The gradient by one-hot vectors against differences of a forward in scalar double. */
class TokenGradientTest {
    private static final int[] IDS = new Random(4).ints(14, 0, 61).toArray();
    private static final int FROM = 3;
    private static final int COUNT = 2;
    private static final int COUNTED = 4;
    private static final double STEP = 1e-5;

    /** The loss where token {@code v} has the weight {@code h} more at a place. */
    private static double loss(LlamaOracle oracle, int place, int v, double h) {
        double[] embedding = oracle.weights().get("model.embed_tokens.weight");
        double[][] logits = oracle.logits(IDS, (layer, stream) -> {
            for (int i = 0; layer < 0 && i < stream[place].length; i++) {
                stream[place][i] += h * embedding[v * stream[place].length + i];
            }
        });
        double sum = 0;
        for (int t = IDS.length - COUNTED; t < IDS.length; t++) {
            sum += Math.log(Arrays.stream(logits[t - 1]).map(Math::exp).sum()) - logits[t - 1][IDS[t]];
        }
        return sum / COUNTED;
    }

    @Test
    void equalsDifferencesInDouble() {
        try (Engine engine = Backends.open("cpu", 1);
             CausalModel model = new CausalModel(engine, ModelWeights.random(TinyModel.LLAMA, engine, DType.F32, 7), false);
             ModelSession session = ModelSession.open(model)) {
            int[] labels = IDS.clone();
            Arrays.fill(labels, 0, IDS.length - COUNTED, Labels.IGNORE_INDEX);
            float[] gradient = TokenGradient.of(session, AdapterStack.none(), TokenBatch.of(IDS).withLabels(labels), FROM, COUNT);
            LlamaOracle oracle = LlamaOracle.of(model);
            int vocab = gradient.length / COUNT;
            double difference = 0;
            double norm = 0;
            for (int i = 0; i < gradient.length; i++) {
                double expected = (loss(oracle, FROM + i / vocab, i % vocab, STEP) - loss(oracle, FROM + i / vocab, i % vocab, -STEP))
                    / (2 * STEP);
                difference += (gradient[i] - expected) * (gradient[i] - expected);
                norm += expected * expected;
            }
            assertThat(norm).isPositive();
            // f32 beside double: some ten products of up to 40 terms lie on the way.
            assertThat(Math.sqrt(difference / norm)).isLessThan(10 * Math.ulp(1f) * Math.sqrt(40));
        }
    }
}
