package io.sails4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.NativeException;
import io.sails4j.ops.Engine;
import io.sails4j.ops.Graph;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import io.sails4j.testing.Backends;
import org.junit.jupiter.api.Test;

/** Recorded operations: what a launch computes, and what cannot be recorded. */
class GraphTest {
    private static final int ROWS = 65;
    private static final int COLS = 1100;

    private static float[] ramp(int n, float step) {
        float[] out = new float[n];
        for (int i = 0; i < n; i++) {
            out[i] = (i % 17 - 8) * step;
        }
        return out;
    }

    @Test
    void aLaunchComputesWhatTheCallsWould() {
        try (Engine engine = Backends.open("emulator");
             Tensor x = engine.device().allocate(DType.F32, Shape.of(ROWS, COLS));
             Tensor product = engine.device().zeros(DType.F32, Shape.of(ROWS, ROWS));
             Tensor total = engine.device().zeros(DType.F32, Shape.of(ROWS, ROWS))) {
            x.upload(ramp(ROWS * COLS, 0.25f));
            Runnable step = () -> {
                engine.ops().matmul().matmul(product, x, x, false, true, 1, 0);
                engine.ops().elementwise().axpby(total, product, 1, 1);
            };
            step.run();
            float[] once = total.toFloatArray();
            assertThat(once[0]).isNotZero();
            try (Graph graph = engine.record(step)) {
                assertThat(total.toFloatArray()).as("recording runs nothing").containsExactly(once);
                graph.launch();
                graph.launch();
                // The workspace grows while a graph points into the old one.
                float[] rows = ramp(9 * COLS, 1);
                try (Tensor large = engine.device().allocate(DType.F32, Shape.of(9, COLS));
                     Tensor out = engine.device().zeros(DType.F32, Shape.of(9, 9))) {
                    large.upload(rows);
                    engine.ops().matmul().matmul(out, large, large, false, true, 1, 0);
                }
                graph.launch();
            }
            float[] four = total.toFloatArray();
            for (int i = 0; i < four.length; i++) {
                assertThat(four[i]).isEqualTo(((once[i] + once[i]) + once[i]) + once[i]);
            }
        }
    }

    @Test
    void whatWaitsOrAllocatesIsNotRecorded() {
        try (Engine engine = Backends.open("emulator"); Tensor x = engine.device().zeros(DType.F32, Shape.of(8))) {
            assertThatThrownBy(() -> engine.record(() -> engine.device().zeros(DType.F32, Shape.of(4)))).isInstanceOf(NativeException.class)
                .hasMessageContaining("recording");
            assertThatThrownBy(() -> engine.record(x::toFloatArray)).isInstanceOf(NativeException.class).hasMessageContaining("recording");
            assertThatThrownBy(() -> engine.record(() -> engine.record(() -> {}))).isInstanceOf(NativeException.class);
            Graph graph = engine.record(x::fillZero);
            graph.close();
            graph.close();
            assertThatThrownBy(graph::launch).isInstanceOf(IllegalStateException.class);
            assertThat(x.toFloatArray()).containsOnly(0);
        }
    }

    @Test
    void theCpuSaysThatItRecordsNothing() {
        try (Engine engine = Backends.open("cpu")) {
            assertThatThrownBy(() -> engine.record(() -> {})).isInstanceOfSatisfying(NativeException.class,
                e -> assertThat(e.code()).isEqualTo(NativeException.UNSUPPORTED));
        }
    }
}
