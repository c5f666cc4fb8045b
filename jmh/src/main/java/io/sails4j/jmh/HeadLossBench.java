package io.sails4j.jmh;

import io.sails4j.config.ModelConfig;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** The head's loss over a vocabulary, alone and with the gradient of the hidden states. */
public class HeadLossBench extends OnDevice {
    @Param("2b-layer")
    public String shape;

    /** Gemma-2's has 256000, which takes seconds on two cores. */
    @Param("16384")
    public int vocabulary;

    private float softcap;
    private Tensor hidden;
    private Tensor embed;
    private Tensor targets;
    private Tensor weights;
    private Tensor loss;
    private Tensor dhidden;

    @Override
    void prepare() {
        ModelConfig config = Shapes.layer(shape);
        int d = (int) config.dModel();
        softcap = (float) config.finalLogitSoftcap();
        hidden = random(tokens, d);
        embed = random(vocabulary, d);
        int[] ids = new int[tokens];
        float[] ones = new float[tokens];
        for (int i = 0; i < tokens; i++) {
            ids[i] = i % vocabulary;
            ones[i] = 1;
        }
        targets = memory.of(ids, tokens);
        weights = memory.of(ones, tokens);
        loss = memory.allocate(DType.F32, tokens);
        dhidden = memory.allocate(DType.F32, tokens, d);
        forward();
        require("token_loss[0]", loss.toFloatArray()[0], expected(d), 1);
        forwardBackward();
        requireFinite("dhidden", dhidden);
    }

    /** -log softmax of the first token's logits at its target, 0. */
    private double expected(int d) {
        float[] h = values(hidden);
        float[] e = values(embed);
        double sum = 0;
        double first = 0;
        for (int v = 0; v < vocabulary; v++) {
            double logit = dot(h, 0, e, v, d);
            double capped = softcap == 0 ? logit : softcap * Math.tanh(logit / softcap);
            first = v == 0 ? capped : first;
            sum += Math.exp(capped);
        }
        return Math.log(sum) - first;
    }

    @Benchmark
    public void forward() {
        ops.head().headLoss(loss, null, null, hidden, embed, targets, null, softcap);
        await();
    }

    @Benchmark
    public void forwardBackward() {
        ops.head().headLoss(loss, dhidden, null, hidden, embed, targets, weights, softcap);
        await();
    }
}
