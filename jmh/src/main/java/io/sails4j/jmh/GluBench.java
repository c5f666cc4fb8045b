package io.sails4j.jmh;

import io.sails4j.config.ModelConfig;
import io.sails4j.ops.GluActivation;
import io.sails4j.tensor.Tensor;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** GeGLU between the projections of a layer's MLP. */
public class GluBench extends OnDevice {
    @Param("2b-layer")
    public String shape;

    private Tensor gate;
    private Tensor up;
    private Tensor y;
    private Tensor dgate;
    private Tensor dup;

    @Override
    void prepare() {
        ModelConfig config = Shapes.layer(shape);
        gate = random(tokens, config.dFf());
        up = random(tokens, config.dFf());
        y = memory.allocate(dtype, tokens, config.dFf());
        dgate = memory.allocate(dtype, tokens, config.dFf());
        dup = memory.allocate(dtype, tokens, config.dFf());
        forward();
        double g = values(gate)[0];
        double gelu = g / 2 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (g + 0.044715 * g * g * g)));
        require("y[0]", values(y)[0], gelu * values(up)[0], 0);
        backward();
        requireFinite("dgate", dgate);
    }

    @Benchmark
    public void forward() {
        ops.block().gluForward(y, gate, up, GluActivation.GELU_TANH);
        await();
    }

    @Benchmark
    public void backward() {
        ops.block().gluBackward(dgate, dup, y, gate, up, GluActivation.GELU_TANH);
        await();
    }
}
