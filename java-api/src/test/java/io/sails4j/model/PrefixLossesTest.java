package io.sails4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.config.ModelConfig;
import io.sails4j.config.Projection;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.testing.Backends;
import io.sails4j.testing.TinyModel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Continuations behind a shared prefix against forwards over whole sequences. */
class PrefixLossesTest {
    private static final int COUNTED = 4;
    /** Longer than the sliding window of the model. */
    private static final int[] PREFIX = new Random(1).ints(13, 0, 61).toArray();

    private static List<int[]> continuations(int count, int length) {
        Random random = new Random(2);
        List<int[]> all = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            all.add(random.ints(length, 0, 61).toArray());
        }
        return all;
    }

    /** Mean -log p of the last tokens, in double from the logits of one plain forward. */
    private static double plain(ModelSession session, AdapterStack adapters, int[] continuation) {
        int[] ids = IntStream.concat(Arrays.stream(PREFIX), Arrays.stream(continuation)).toArray();
        double sum = 0;
        try (ForwardPass pass = session.forward(TokenBatch.of(ids), adapters, ForwardOptions.inference())) {
            float[] logits = session.logits(pass, null).toFloatArray();
            int vocab = logits.length / ids.length;
            for (int t = ids.length - COUNTED; t < ids.length; t++) {
                double total = 0;
                for (int v = 0; v < vocab; v++) {
                    total += Math.exp(logits[(t - 1) * vocab + v]);
                }
                sum += Math.log(total) - logits[(t - 1) * vocab + ids[t]];
            }
        }
        return sum / COUNTED;
    }

    @ParameterizedTest
    @ValueSource(strings = {"cpu", "emulator"})
    void equalWholeForwards(String backend) {
        for (ModelConfig config : List.of(TinyModel.CONFIG, TinyModel.LLAMA)) {
            try (Engine engine = Backends.open(backend, 1);
                 CausalModel model = new CausalModel(engine, ModelWeights.random(config, engine, DType.F32, 7), false);
                 LoraAdapter adapter = TinyModel.randomAdapter(engine, 5, config, EnumSet.allOf(Projection.class));
                 ModelSession session = ModelSession.open(model)) {
                AdapterStack adapters = AdapterStack.of(adapter.modules());
                List<int[]> continuations = continuations(7, 9);
                // Sums of the longest product's length, in another order, through all layers: eps * sqrt(d_ff) for each of their products.
                double tolerance = 7 * config.nLayers() * Math.ulp(1f) * Math.sqrt(config.dFf()) * 8;
                try (PrefixLosses shared = new PrefixLosses(session, adapters, PREFIX, 3, 9)) {
                    double[] losses = shared.losses(continuations, COUNTED);
                    for (int i = 0; i < losses.length; i++) {
                        assertThat(losses[i]).isCloseTo(plain(session, adapters, continuations.get(i)), Offset.offset(tolerance));
                    }
                    assertThat(shared.losses(continuations.subList(4, 5), COUNTED)[0]).as("alone").isEqualTo(losses[4]);
                }
            }
        }
    }

    @Test
    void withoutPrefixAndWithWrongLengths() {
        try (Engine engine = Backends.open("cpu", 1); CausalModel model = TinyModel.open(engine);
             ModelSession session = ModelSession.open(model);
             PrefixLosses shared = new PrefixLosses(session, AdapterStack.none(), PREFIX, 2, 9);
             PrefixLosses whole = new PrefixLosses(session, AdapterStack.none(), new int[0], 2, 22)) {
            List<int[]> continuations = continuations(3, 9);
            List<int[]> sequences = continuations.stream()
                .map(ids -> IntStream.concat(Arrays.stream(PREFIX), Arrays.stream(ids)).toArray()).toList();
            assertThat(shared.losses(continuations, COUNTED)).containsExactly(whole.losses(sequences, COUNTED), Offset.offset(1e-5));
            assertThatThrownBy(() -> shared.losses(continuations, 9)).hasMessageContaining("the last 9 tokens", "[9] tokens");
        }
    }
}
