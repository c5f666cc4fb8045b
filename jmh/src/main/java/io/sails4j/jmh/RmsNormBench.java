package io.sails4j.jmh;

import io.sails4j.config.ModelConfig;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** The norm before a layer, from the F32 stream into the compute type. */
public class RmsNormBench extends OnDevice {
    private static final float EPS = 1e-6f;

    @Param("2b-layer")
    public String shape;

    private Tensor x;
    private Tensor weight;
    private Tensor y;
    private Tensor rstd;
    private Tensor dx;

    @Override
    void prepare() {
        ModelConfig config = Shapes.layer(shape);
        int d = (int) config.dModel();
        x = random(DType.F32, tokens, d);
        weight = random(DType.F32, d);
        y = memory.allocate(dtype, tokens, d);
        rstd = memory.allocate(DType.F32, tokens);
        dx = memory.allocate(DType.F32, tokens, d);
        forward();
        float[] row = x.toFloatArray();
        require("y[0, 1]", values(y)[1], row[1] / Math.sqrt(dot(row, 0, row, 0, d) / d + EPS) * (1 + weight.toFloatArray()[1]), 0);
        backward();
        requireFinite("dx", dx);
    }

    @Benchmark
    public void forward() {
        ops.block().rmsnormForward(y, rstd, x, weight, null, EPS, 1);
        await();
    }

    @Benchmark
    public void backward() {
        ops.block().rmsnormBackward(dx, null, y, x, weight, rstd, 1, false);
        await();
    }
}
