package io.sails4j.ops;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import io.sails4j.InputException;
import io.sails4j.NativeException;
import io.sails4j.ffi.NativeLibrary;
import io.sails4j.tensor.Backend;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import io.sails4j.testing.Backends;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * The checks above the ABI: each error names the operation, the argument and both shapes. What the operations compute is the conformance
 * suite's.
 */
class OpsTest {
    private Engine engine;
    private Ops ops;
    private TensorArena arena;

    @BeforeEach
    void open() {
        engine = Backends.open("cpu");
        ops = engine.ops();
        arena = new TensorArena(engine.device());
    }

    @AfterEach
    void close() {
        arena.close();
        engine.close();
    }

    private Tensor f32(long... dims) {
        return arena.zeros(DType.F32, dims);
    }

    private Tensor i32(long... dims) {
        return arena.zeros(DType.I32, dims);
    }

    private static void refused(Runnable call, String... parts) {
        assertThatThrownBy(call::run).isInstanceOf(IllegalArgumentException.class).hasMessageContainingAll(parts);
    }

    @Test
    void shapesAreNamed() {
        refused(() -> ops.block().rmsnormForward(f32(2, 4), null, f32(2, 4), f32(3), null, 1e-6f, 1), "rmsnormForward", "weight", "[3]",
            "4");
        refused(() -> ops.block().rmsnormForward(f32(2, 5), null, f32(2, 4), f32(4), null, 1e-6f, 1), "rmsnormForward: y", "[2, 5]",
            "[2, 4]");
        refused(() -> ops.matmul().matmul(f32(2, 4), f32(2, 3), f32(4, 5), false, true, 1, 0), "matmul", "[2, 3]", "[4, 5]");
        refused(() -> ops.matmul().matmul(f32(2, 5), f32(2, 3), f32(4, 3), false, true, 1, 0), "matmul: c", "[2, 5]", "[2, 4]");
        refused(() -> ops.block().embeddingForward(f32(3, 4), i32(2), f32(9, 4), 1), "embeddingForward: y", "[3, 4]", "[2, 4]");
        refused(() -> ops.block().rope(f32(3, 2, 4), f32(3, 2, 4), f32(2, 2, 2), false), "rope: table", "[2, 2, 2]", "[3, 2, 2]");
        refused(() -> ops.block().rope(f32(3, 2, 5), f32(3, 2, 5), f32(3, 2, 2), false), "rope: x", "[3, 2, 5]", "even");
        refused(() -> ops.optimizer().project(f32(4, 2), f32(4, 2), f32(5, 1), false), "project: g", "[4, 2]", "[5, 1]");
        refused(() -> ops.linear().loraForward(f32(2, 5), f32(2, 3), f32(2, 4), f32(3, 4), f32(5, 2), 1), "loraForward: loraB", "[5, 2]",
            "[5, 3]");
        refused(() -> ops.sae().saeDecode(f32(2, 4), i32(2, 3), f32(2, 5), i32(2), f32(7, 4), null, null), "saeDecode: values", "[2, 5]",
            "[2, 3]");
        refused(() -> ops.elementwise().axpby(f32(3), f32(4), 1, 1), "axpby: y", "[3]", "[4]");
        refused(() -> ops.elementwise().addRow(f32(2, 3), f32(2, 3), f32(), 1), "addRow: row", "[]", "3");
    }

    @Test
    void typesAreNamed() {
        refused(() -> ops.head().softcapForward(f32(3), arena.zeros(DType.BF16, 3), 30), "softcapForward: x", "BF16 [3]", "F32");
        refused(() -> ops.elementwise().gatherRows(f32(2, 3), arena.zeros(DType.BF16, 4, 3), i32(2)), "gatherRows: y", "F32", "BF16");
        refused(() -> ops.matmul().matmul(arena.zeros(DType.BF16, 2, 4), f32(2, 3), f32(3, 4), false, false, 1, 0), "matmul: c", "BF16",
            "F32");
        refused(() -> ops.elementwise().convert(f32(2), i32(2)), "convert: src", "I32");
    }

    @Test
    void scalarsAndMissingArgumentsAreNamed() {
        refused(() -> ops.sampling().sample(i32(1), f32(1, 3), null, 0.5f, 0, 1), "sample", "uniform");
        refused(() -> ops.sampling().sample(i32(1), f32(1, 3), null, 0, -1, 1), "sample", "topK is -1");
        refused(() -> ops.sampling().sample(i32(1), f32(1, 3), null, 0, 0, 0), "sample", "topP is 0");
        refused(() -> ops.head().softcapForward(f32(3), f32(3), 0), "softcapForward", "cap is 0");
        refused(() -> ops.head().crossEntropy(f32(1), f32(1, 3), f32(1, 3), i32(1), null), "crossEntropy", "tokenWeight");
        refused(() -> ops.optimizer().adamw(List.of(f32(2)), List.of(f32(2)), List.of(f32(3)), List.of(f32(2)), f32(9)), "adamw: v", "[3]",
            "[2]");
        refused(() -> ops.optimizer().adamw(List.of(f32(2)), List.of(f32(2)), List.of(f32(2)), List.of(f32(2)), f32(8)), "adamw: rates",
            "[8]", "9 elements");
        refused(() -> ops.optimizer().adamwRates(f32(9), 0, 1, new AdamwOptions(0.1, 0.9, 0.99, 1e-8, 0)), "adamwRates: step is 0");
        refused(() -> new AdamwOptions(0.1, 1, 0.99, 1e-8, 0), "beta1 is 1");
        refused(() -> new AttentionShape(1, 2, 2, 3, 2, 4, 16, 0, 0, 1, 0), "3 query heads", "2 key/value heads");
        refused(() -> new AttentionShape(1, 2, 2, 2, 2, 4, 15, 0, 0, 1, 0), "kvBatchStride is 15");
        assertThatThrownBy(() -> new EngineOptions("gpu", 0, "")).isInstanceOf(InputException.class).hasMessageContaining("'gpu'")
            .hasMessageContaining("auto, cpu, cuda or emulator");
        assertThatThrownBy(() -> new EngineOptions("cpu", 10_000, "")).isInstanceOf(InputException.class)
            .hasMessageContaining("threads is 10000, expected 0 to 1024");
    }

    @Test
    void tensorsOfAnotherDeviceAreRefused() {
        Device other = Device.open(Backend.CPU, 1, "");
        try (Tensor foreign = other.zeros(DType.F32, Shape.of(3))) {
            refused(() -> ops.elementwise().axpby(f32(3), foreign, 1, 1), "axpby: x", "another device");
        }
        other.close();
    }

    @Test
    void leadingSizesAreFlattened() {
        Tensor x = arena.of(new float[] {1, 2, 3, 4, 5, 6, 7, 8}, 2, 2, 2);
        Tensor y = f32(2, 2, 3);
        ops.matmul().matmul(y, x, arena.of(new float[] {1, 0, 0, 1, 1, 1}, 3, 2), false, true, 1, 0);
        assertThat(y.toFloatArray()).containsExactly(1, 2, 3, 3, 4, 7, 5, 6, 11, 7, 8, 15);
    }

    @Test
    void resultsOnTheHost() {
        assertThat(ops.elementwise().sumOfSquares(List.of(arena.of(new float[] {3, 4}, 2), f32(0)))).containsExactly(25, 0);
        assertThat(ops.elementwise().sumOfSquares(List.of())).isEmpty();
        assertThat(ops.elementwise().countNonfinite(arena.of(new float[] {1, Float.NaN, Float.NEGATIVE_INFINITY}, 3))).isEqualTo(2);
    }

    @Test
    void anEngineSaysWhatItChose() {
        try (Engine automatic = Engine.open(EngineOptions.defaults())) {
            assertThat(automatic.backendChoice()).matches("(cpu|cuda) \\(.+\\)");
        }
        assertThat(engine.backendChoice()).isEqualTo("cpu (asked for)");
    }

    @Test
    void aBackendThatIsNotThereIsNamed() {
        assumeFalse(NativeLibrary.isPresent("sails_emulator"), "this build has an emulator");
        assertThatThrownBy(() -> Backends.open("emulator")).isInstanceOf(NativeException.class)
            .hasMessageContaining("backend emulator was asked for").hasMessageContaining("libsails_emulator.so");
    }

    @Test
    void closingTwiceIsFine() {
        Engine second = Engine.open(new EngineOptions("cpu", 1, "isa=generic"));
        second.close();
        second.close();
    }
}
