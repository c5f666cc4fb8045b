package io.sails4j.jmh;

import io.sails4j.config.ModelConfig;
import io.sails4j.config.Projection;
import io.sails4j.ops.AdamwOptions;
import io.sails4j.ops.OptimizerOps;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** AdamW over the factors of rank-16 adapters on q, k, v and o of all layers. */
public class AdamwBench extends OnDevice {
    private static final int RANK = 16;
    private static final double LR = 1e-6;

    @Param("2b-layer")
    public String shape;

    private final List<Tensor> params = new ArrayList<>();
    private final List<Tensor> m = new ArrayList<>();
    private final List<Tensor> v = new ArrayList<>();
    private final List<Tensor> grads = new ArrayList<>();
    private Tensor rates;

    @Override
    void prepare() {
        ModelConfig config = Shapes.layer(shape);
        for (int layer = 0; layer < config.nLayers(); layer++) {
            for (Projection p : new Projection[] {Projection.Q_PROJ, Projection.K_PROJ, Projection.V_PROJ, Projection.O_PROJ}) {
                add(RANK, p.dIn(config));
                add(p.dOut(config), RANK);
            }
        }
        rates = memory.allocate(DType.F32, OptimizerOps.ADAMW_RATES);
        ops.optimizer().adamwRates(rates, 1, 1, new AdamwOptions(LR, 0.9, 0.999, 1e-8, 0));
        float before = params.getFirst().toFloatArray()[0];
        adamw();
        // The first step moves each weight by the learning rate, against the gradient's sign (arXiv:1412.6980, section 2.1).
        double moved = before - params.getFirst().toFloatArray()[0];
        require("the first step", moved, LR * Math.signum(grads.getFirst().toFloatArray()[0]), 100 * Math.ulp(1f));
    }

    private void add(long rows, long cols) {
        params.add(random(DType.F32, rows, cols));
        m.add(memory.zeros(DType.F32, rows, cols));
        v.add(memory.zeros(DType.F32, rows, cols));
        grads.add(random(DType.F32, rows, cols));
    }

    @Benchmark
    public void adamw() {
        ops.optimizer().adamw(params, m, v, grads, rates);
        await();
    }
}
