package io.sails4j.jmh;

import io.sails4j.config.ModelConfig;
import io.sails4j.ops.AttentionShape;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import java.util.Collections;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** Global attention of a layer over one sequence of all tokens, with soft-cap. */
public class AttentionBench extends OnDevice {
    @Param("2b-layer")
    public String shape;

    private AttentionShape attention;
    private Tensor q;
    private Tensor k;
    private Tensor v;
    private Tensor out;
    private Tensor lse;
    private Tensor segments;
    private Tensor dout;
    private Tensor dq;
    private Tensor dk;
    private Tensor dv;

    @Override
    void prepare() {
        ModelConfig config = Shapes.layer(shape);
        int heads = config.nHeads();
        int kvHeads = config.nKvHeads();
        int headDim = config.headDim();
        attention = new AttentionShape(1, tokens, tokens, heads, kvHeads, headDim, (long) tokens * kvHeads * headDim, 0, 0,
            (float) (1 / Math.sqrt(headDim)), (float) config.attnLogitSoftcap());
        q = random(1, tokens, heads, headDim);
        k = random(1, tokens, kvHeads, headDim);
        v = random(1, tokens, kvHeads, headDim);
        out = memory.allocate(dtype, 1, tokens, heads, headDim);
        lse = memory.allocate(DType.F32, 1, heads, tokens);
        segments = memory.of(Collections.nCopies(tokens, 1).stream().mapToInt(i -> i).toArray(), 1, tokens);
        dout = random(1, tokens, heads, headDim);
        dq = memory.allocate(dtype, 1, tokens, heads, headDim);
        dk = memory.allocate(dtype, 1, tokens, kvHeads, headDim);
        dv = memory.allocate(dtype, 1, tokens, kvHeads, headDim);
        forward();
        // The first token sees itself alone: its result is its value.
        require("out[0]", values(out)[0], values(v)[0], 1);
        requireFinite("out", out);
        backward();
        requireFinite("dq", dq);
        requireFinite("dk", dk);
    }

    @Benchmark
    public void forward() {
        ops.attention().attentionForward(out, lse, q, k, v, segments, segments, attention);
        await();
    }

    @Benchmark
    public void backward() {
        ops.attention().attentionBackward(dq, dk, dv, dout, q, k, v, out, lse, segments, segments, attention);
        await();
    }
}
