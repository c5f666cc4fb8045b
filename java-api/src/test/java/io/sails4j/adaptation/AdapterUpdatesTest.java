package io.sails4j.adaptation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sails4j.config.Projection;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.lora.LoraConfig;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelWeights;
import io.sails4j.ops.Engine;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.testing.Backends;
import io.sails4j.testing.TinyModel;
import java.util.EnumSet;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Updates that have no low rank, a block of rows at a time. */
class AdapterUpdatesTest {
    @ParameterizedTest
    @EnumSource(value = DType.class, names = {"F32", "BF16"})
    void blocksGiveWhatTheWholeGives(DType computeDtype) {
        SafetySubspace subspace = TinyModel.subspace(5, 4, 1);
        LoraConfig config = LoraConfig.uniform(TinyModel.CONFIG, EnumSet.allOf(Projection.class), 3, 6, "tiny").withDora(true);
        try (Engine engine = Backends.open("cpu", 1);
             CausalModel model = new CausalModel(engine, ModelWeights.random(TinyModel.CONFIG, engine, computeDtype, 7), false);
             LoraAdapter adapter = LoraAdapter.create(config, TinyModel.CONFIG, engine.device())) {
            Random random = new Random(2);
            adapter.modules().values().forEach(factors -> {
                fill(factors.loraA(), random);
                fill(factors.loraB(), random);
                fill(Objects.requireNonNull(factors.dora()).magnitude(), random);
            });
            var whole = AdapterUpdates.of(model, adapter.modules(), subspace);
            var blocks = AdapterUpdates.of(model, adapter.modules(), subspace, 7);
            assertThat(blocks).hasSize(14).hasSameSizeAs(whole);
            blocks.forEach((module, found) -> {
                UpdateSquares expected = Objects.requireNonNull(whole.get(module));
                assertThat(found.all()).isCloseTo(expected.all(), within(1e-5 * expected.all()));
                assertThat(found.inside()).isCloseTo(expected.inside(), within(1e-5 * expected.all()));
                assertThat(found.share()).isBetween(0.01, 0.9);
            });
        }
    }

    private static void fill(Tensor tensor, Random random) {
        float[] values = new float[(int) tensor.numel()];
        for (int i = 0; i < values.length; i++) {
            values[i] = 1 + 0.2f * (float) random.nextGaussian();
        }
        tensor.upload(values);
    }
}
