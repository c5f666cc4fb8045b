package io.sails4j.objective;

import io.sails4j.model.CausalModel;
import io.sails4j.model.ForwardPass;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.trainable.Trainable;

/** A forward pass with the output matrix and the loss on top of it, chunk by chunk, without whole logits. */
final class HeadPass {
    private final PassContext context;
    private final CausalModel model;
    private final ForwardPass pass;
    private final Tensor targets;
    private final Tensor tokenLoss;

    HeadPass(PassContext context, ForwardPass pass, SequenceBatch batch) {
        this(context, pass, context.memory().of(batch.targets(), batch.targets().length),
            context.memory().allocate(DType.F32, batch.targets().length));
    }

    /**
     * @param targets the id that each position predicts, [n] I32, -100 where none counts
     * @param tokenLoss where the losses go, [n] F32
     */
    HeadPass(PassContext context, ForwardPass pass, Tensor targets, Tensor tokenLoss) {
        this.context = context;
        this.model = context.model();
        this.pass = pass;
        this.targets = targets;
        this.tokenLoss = tokenLoss;
    }

    /** -log p of each counted target, 0 elsewhere; on the device. */
    Tensor forward() {
        model.tokenLosses(tokenLoss, pass.finalNorm(), targets);
        return tokenLoss;
    }

    /** The same on the host. */
    float[] tokenLosses() {
        return forward().toFloatArray();
    }

    /**
     * The losses, and the gradient of sum over t of weights[t] * loss[t] into the trainable's gradients; weights [targets] F32 on the
     * device.
     */
    void backward(Trainable trainable, Tensor weights) {
        Tensor dHidden = context.memory().allocate(DType.F32, targets.numel(), model.config().dModel());
        model.engine().ops().head().headLoss(tokenLoss, dHidden, trainable.dHead(), pass.finalNorm(), model.weights().head(), targets,
            weights, (float) model.config().finalLogitSoftcap());
        context.session().backward(pass, dHidden, trainable.targets());
    }

    static double sum(float[] values, int from, int to) {
        double sum = 0;
        for (int i = from; i < to; i++) {
            sum += values[i];
        }
        return sum;
    }
}
