package io.sails4j.backends;

import static org.assertj.core.api.Assertions.assertThat;

import io.sails4j.align.Constraint;
import io.sails4j.config.ModelFamily;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import io.sails4j.testing.Backends;
import io.sails4j.train.Objective;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** The CPU library and the emulated GPU in one JVM: the same model, the same method, the same results up to rounding. */
@ParameterizedClass
@EnumSource(ModelFamily.class)
class BackendsAgreeTest {
    private static final String OTHER_ORDER = "cpu:isa=generic";

    @TempDir
    static Path root;
    private static final Map<ModelFamily, TinyWorld> WORLDS = new EnumMap<>(ModelFamily.class);

    @Parameter
    private ModelFamily family;
    private TinyWorld world;

    @BeforeEach
    void make() {
        world = WORLDS.computeIfAbsent(family, f -> TinyWorld.make(f, root.resolve("world-" + f)));
    }

    private static void compare(Map<String, float[]> found, Map<String, float[]> expected, Map<String, float[]> otherOrder) {
        assertThat(found.keySet()).isEqualTo(expected.keySet()).isNotEmpty();
        expected.forEach((name, values) -> assertThat(Rounding.distance(found.get(name), values)).as(name)
            .isLessThanOrEqualTo(Rounding.limit(values, otherOrder.get(name))));
    }

    @Test
    void twoBackendsAreOpenAtOnce() {
        try (Engine cpu = Backends.open("cpu"); Engine emulator = Backends.open("emulator");
             Tensor x = cpu.device().upload(HostTensor.ofFloats(new float[] {1, 2, 3, 4, 5, 6}, 2, 3));
             Tensor y = emulator.device().upload(HostTensor.ofFloats(new float[] {1, 2, 3, 4, 5, 6}, 2, 3));
             Tensor xx = cpu.device().zeros(DType.F32, Shape.of(2, 2)); Tensor yy = emulator.device().zeros(DType.F32, Shape.of(2, 2))) {
            cpu.ops().matmul().matmul(xx, x, x, false, true, 1, 0);
            emulator.ops().matmul().matmul(yy, y, y, false, true, 1, 0);
            assertThat(xx.toFloatArray()).containsExactly(14, 32, 32, 77);
            assertThat(yy.toFloatArray()).containsExactly(14, 32, 32, 77);
        }
    }

    @Test
    void logitsLossesAndGradients() {
        compare(world.trace("emulator", DType.F32), world.trace("cpu", DType.F32), world.trace(OTHER_ORDER, DType.F32));
    }

    @Test
    void greedyGeneration() {
        assertThat(world.generate("emulator")).containsExactly(world.generate("cpu"));
    }

    @ParameterizedTest
    @CsvSource({"SFT, NONE", "SFT, GRADIENT", "DPO, UPDATE"})
    void theSameAlignmentRun(Objective objective, Constraint constraint) {
        if (family != ModelFamily.GEMMA2 && constraint != Constraint.UPDATE) {
            // What a run has beyond losses and gradients (features, subspace, optimizer) is the same code for each family.
            return;
        }
        Path out = root.resolve(family + "-" + objective + "-" + constraint);
        TinyWorld.Aligned expected = world.align("cpu", objective, constraint, out.resolve("cpu"));
        TinyWorld.Aligned otherOrder = world.align(OTHER_ORDER, objective, constraint, out.resolve("generic"));
        TinyWorld.Aligned found = world.align("emulator", objective, constraint, out.resolve("emulator"));
        assertThat(found.subspace().featureIds()).as("kept features").containsExactlyInAnyOrder(expected.subspace().featureIds());
        assertThat(found.subspace().dimension()).isEqualTo(expected.subspace().dimension());
        assertThat(Rounding.distance(found.subspace().scores(), expected.subspace().scores()))
            .isLessThanOrEqualTo(Rounding.limit(expected.subspace().scores(), otherOrder.subspace().scores()));
        compare(found.adapter(), expected.adapter(), otherOrder.adapter());
    }

    @Test
    void theOrderOfThreadsChangesNoBit() {
        Map<String, float[]> one = world.trace("emulator:seed=1", DType.BF16);
        Map<String, float[]> two = world.trace("emulator:seed=2", DType.BF16);
        one.forEach((name, values) -> assertThat(two.get(name)).as(name).containsExactly(values));
        if (family != ModelFamily.GEMMA2) {
            return;
        }
        TinyWorld.Aligned first = world.align("emulator:seed=1", Objective.DPO, Constraint.GRADIENT, root.resolve(family + "-seed1"));
        TinyWorld.Aligned second = world.align("emulator:seed=2", Objective.DPO, Constraint.GRADIENT, root.resolve(family + "-seed2"));
        first.adapter().forEach((name, values) -> assertThat(second.adapter().get(name)).as(name).containsExactly(values));
    }
}
