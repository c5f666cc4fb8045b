package io.sails4j.jmh;

import io.sails4j.config.ModelConfig;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** gate_proj as a bare product in its three layouts, and with an adapter of rank 16 forward and backward. */
public class LinearBench extends OnDevice {
    private static final int RANK = 16;

    @Param("2b-layer")
    public String shape;

    private Tensor x;
    private Tensor weight;
    private Tensor y;
    private Tensor dx;
    private Tensor dweight;
    private Tensor h;
    private Tensor loraA;
    private Tensor loraB;
    private Tensor dloraA;
    private Tensor dloraB;

    @Override
    void prepare() {
        ModelConfig config = Shapes.layer(shape);
        long in = config.dModel();
        long out = config.dFf();
        x = random(tokens, in);
        weight = random(out, in);
        y = memory.allocate(dtype, tokens, out);
        dx = memory.allocate(DType.F32, tokens, in);
        dweight = memory.allocate(DType.F32, out, in);
        h = memory.allocate(DType.F32, tokens, RANK);
        loraA = random(DType.F32, RANK, in);
        loraB = random(DType.F32, out, RANK);
        dloraA = memory.zeros(DType.F32, RANK, in);
        dloraB = memory.zeros(DType.F32, out, RANK);
        check((int) in);
    }

    private void check(int in) {
        matmulForward();
        require("y[0, 1]", values(y)[1], dot(values(x), 0, values(weight), 1, in), Math.sqrt(in));
        linearForward();
        double expected = dot(values(x), 0, values(weight), 1, in) + dot(values(h), 0, loraB.toFloatArray(), 1, RANK);
        require("y[0, 1] with an adapter", values(y)[1], expected, Math.sqrt(in));
        linearBackward();
        requireFinite("dx", dx);
        matmulWeightGradient();
        requireFinite("dweight", dweight);
    }

    @Benchmark
    public void matmulForward() {
        ops.matmul().matmul(y, x, weight, false, true, 1, 0);
        await();
    }

    @Benchmark
    public void matmulInputGradient() {
        ops.matmul().matmul(dx, y, weight, false, false, 1, 0);
        await();
    }

    @Benchmark
    public void matmulWeightGradient() {
        ops.matmul().matmul(dweight, y, x, true, false, 1, 0);
        await();
    }

    @Benchmark
    public void linearForward() {
        ops.linear().linearForward(y, h, x, weight, null, null, loraA, loraB, 1);
        await();
    }

    @Benchmark
    public void linearBackward() {
        ops.linear().linearBackward(dx, dloraA, dloraB, y, x, weight, h, loraA, loraB, 1, false);
        await();
    }
}
