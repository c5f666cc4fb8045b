package io.sails4j.ops;

import io.sails4j.ffi.NativeDevice;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.Tensor;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The operations of {@code sails.h} on tensors, by its sections and with its names in camelCase; formulas, aliasing and "=" or "+=" are
 * those of the header. What holds for all of them:
 *
 * <p>Arguments are the outputs, the inputs, the sizes that no shape tells, then scalars. Leading sizes of a tensor that the header calls
 * {@code [n, d]} are flattened. Tensors are of the engine's device. Operations are queued and return before they have run, but where
 * "waits" is said.
 *
 * <p>Wrong shapes and types are {@link IllegalArgumentException} and name the operation, the argument and both shapes. What the library
 * refuses, lacks or fails at is {@link io.sails4j.ffi.NativeException}. After the engine's end every operation is {@link
 * IllegalStateException}.
 */
public final class Ops {
    private final NativeDevice api;
    private final Workspace workspace;
    private final ElementwiseOps elementwise;
    private final MatmulOps matmul;
    private final LinearOps linear;
    private final BlockOps block;
    private final AttentionOps attention;
    private final HeadOps head;
    private final SamplingOps sampling;
    private final DecodingOps decoding;
    private final OptimizerOps optimizer;
    private final SaeOps sae;

    Ops(Device device) {
        this.api = Addresses.handle(device);
        this.workspace = new Workspace(device);
        this.elementwise = new ElementwiseOps(device, api, workspace);
        this.matmul = new MatmulOps(device, api, workspace);
        this.linear = new LinearOps(device, api, workspace);
        this.block = new BlockOps(device, api, workspace);
        this.attention = new AttentionOps(device, api, workspace);
        this.head = new HeadOps(device, api, workspace);
        this.sampling = new SamplingOps(device, api, workspace);
        this.decoding = new DecodingOps(device, api, workspace);
        this.optimizer = new OptimizerOps(device, api, workspace);
        this.sae = new SaeOps(device, api, workspace);
    }

    void close() {
        workspace.close();
    }

    Graph record(Runnable body) {
        return Graph.record(api, workspace, body);
    }

    /** Elementwise operations, rows and reductions. */
    public ElementwiseOps elementwise() {
        return elementwise;
    }

    /** Dense products. */
    public MatmulOps matmul() {
        return matmul;
    }

    /** Linear maps with their adapters. */
    public LinearOps linear() {
        return linear;
    }

    /** What a transformer block does beside its maps and its attention. */
    public BlockOps block() {
        return block;
    }

    /** Attention over whole sequences. */
    public AttentionOps attention() {
        return attention;
    }

    /** From hidden states to losses. */
    public HeadOps head() {
        return head;
    }

    /** Choosing tokens. */
    public SamplingOps sampling() {
        return sampling;
    }

    /** One new token a sequence over a cache. */
    public DecodingOps decoding() {
        return decoding;
    }

    /** Projections and AdamW. */
    public OptimizerOps optimizer() {
        return optimizer;
    }

    /** Sparse autoencoders and the standardisation around them. */
    public SaeOps sae() {
        return sae;
    }

    // ---------------------------------------------------------------- as callers know them until they ask the sections

    /** {@link ElementwiseOps#convert}. */
    public void convert(Tensor dst, Tensor src) {
        elementwise.convert(dst, src);
    }

    /** {@link ElementwiseOps#axpby}. */
    public void axpby(Tensor y, Tensor x, float alpha, float beta) {
        elementwise.axpby(y, x, alpha, beta);
    }

    /** {@link ElementwiseOps#addRow}. */
    public void addRow(Tensor y, Tensor x, Tensor row, float alpha) {
        elementwise.addRow(y, x, row, alpha);
    }

    /** {@link ElementwiseOps#gatherRows}. */
    public void gatherRows(Tensor y, Tensor x, Tensor rows) {
        elementwise.gatherRows(y, x, rows);
    }

    /** {@link ElementwiseOps#sumOfSquares}. */
    public double[] sumOfSquares(List<Tensor> tensors) {
        return elementwise.sumOfSquares(tensors);
    }

    /** {@link ElementwiseOps#sumOfSquares}. */
    public void sumOfSquares(Tensor sums, List<Tensor> tensors) {
        elementwise.sumOfSquares(sums, tensors);
    }

    /** {@link ElementwiseOps#countNonfinite}. */
    public long countNonfinite(Tensor x) {
        return elementwise.countNonfinite(x);
    }

    /** {@link MatmulOps#matmul}. */
    public void matmul(Tensor c, Tensor a, Tensor b, boolean transposeA, boolean transposeB, float alpha, float beta) {
        matmul.matmul(c, a, b, transposeA, transposeB, alpha, beta);
    }

    /** {@link BlockOps#embeddingForward}. */
    public void embeddingForward(Tensor y, Tensor ids, Tensor table, float scale) {
        block.embeddingForward(y, ids, table, scale);
    }

    /** {@link BlockOps#embeddingBackward}. */
    public void embeddingBackward(Tensor dtable, Tensor dy, Tensor ids, float scale) {
        block.embeddingBackward(dtable, dy, ids, scale);
    }

    /** {@link BlockOps#rmsnormForward}. */
    public void rmsnormForward(Tensor y, @Nullable Tensor rstd, Tensor x, Tensor weight, @Nullable Tensor residual, float eps,
        float weightOffset) {
        block.rmsnormForward(y, rstd, x, weight, residual, eps, weightOffset);
    }

    /** {@link BlockOps#rmsnormBackward}. */
    public void rmsnormBackward(Tensor dx, @Nullable Tensor dweight, Tensor dy, Tensor x, Tensor weight, Tensor rstd,
        float weightOffset, boolean accumulateDx) {
        block.rmsnormBackward(dx, dweight, dy, x, weight, rstd, weightOffset, accumulateDx);
    }

    /** {@link BlockOps#ropeTable}. */
    public void ropeTable(Tensor table, Tensor positions, Tensor invFreq) {
        block.ropeTable(table, positions, invFreq);
    }

    /** {@link BlockOps#rope}. */
    public void rope(Tensor y, Tensor x, Tensor table, boolean inverse) {
        block.rope(y, x, table, inverse);
    }

    /** {@link AttentionOps#attentionForward}. */
    public void attentionForward(Tensor out, @Nullable Tensor lse, Tensor q, Tensor k, Tensor v, Tensor qSegment, Tensor kSegment,
        AttentionShape s) {
        attention.attentionForward(out, lse, q, k, v, qSegment, kSegment, s);
    }

    /** {@link AttentionOps#attentionBackward}. */
    public void attentionBackward(Tensor dq, Tensor dk, Tensor dv, Tensor dout, Tensor q, Tensor k, Tensor v, Tensor out, Tensor lse,
        Tensor qSegment, Tensor kSegment, AttentionShape s) {
        attention.attentionBackward(dq, dk, dv, dout, q, k, v, out, lse, qSegment, kSegment, s);
    }

    /** {@link BlockOps#gluForward}. */
    public void gluForward(Tensor y, Tensor gate, Tensor up, GluActivation activation) {
        block.gluForward(y, gate, up, activation);
    }

    /** {@link BlockOps#gluBackward}. */
    public void gluBackward(Tensor dgate, Tensor dup, Tensor dy, Tensor gate, Tensor up, GluActivation activation) {
        block.gluBackward(dgate, dup, dy, gate, up, activation);
    }

    /** {@link HeadOps#softcapForward}. */
    public void softcapForward(Tensor y, Tensor x, float cap) {
        head.softcapForward(y, x, cap);
    }

    /** {@link HeadOps#softcapBackward}. */
    public void softcapBackward(Tensor dx, Tensor dy, Tensor y, float cap) {
        head.softcapBackward(dx, dy, y, cap);
    }

    /** {@link HeadOps#crossEntropy}. */
    public void crossEntropy(Tensor tokenLoss, @Nullable Tensor dlogits, Tensor logits, Tensor targets, @Nullable Tensor tokenWeight) {
        head.crossEntropy(tokenLoss, dlogits, logits, targets, tokenWeight);
    }

    /** {@link AttentionOps#attentionBackwardWorkspaceBytes}. */
    public long attentionBackwardWorkspaceBytes(long batch, long length, long nHeads, long nKvHeads, long headDim, DType dtype) {
        return attention.attentionBackwardWorkspaceBytes(batch, length, nHeads, nKvHeads, headDim, dtype);
    }

    /** {@link HeadOps#headLossWorkspaceBytes}. */
    public long headLossWorkspaceBytes(long nTokens, long dModel, long vocab, DType dtype) {
        return head.headLossWorkspaceBytes(nTokens, dModel, vocab, dtype);
    }

    /** {@link HeadOps#headLoss}. */
    public void headLoss(Tensor tokenLoss, @Nullable Tensor dhidden, @Nullable Tensor dembed, Tensor hidden, Tensor embed,
        Tensor targets, @Nullable Tensor tokenWeight, float softcap) {
        head.headLoss(tokenLoss, dhidden, dembed, hidden, embed, targets, tokenWeight, softcap);
    }

    /** {@link HeadOps#preferenceLoss}. */
    public void preferenceLoss(Tensor results, @Nullable Tensor tokenWeight, Tensor tokenLoss, Tensor targets, Tensor starts, Tensor ends,
        @Nullable Tensor reference, PreferenceKind kind, double strength, double lossScale) {
        head.preferenceLoss(results, tokenWeight, tokenLoss, targets, starts, ends, reference, kind, strength, lossScale);
    }

    /** {@link SamplingOps#sample}. */
    public void sample(Tensor ids, Tensor logits, @Nullable Tensor uniform, float temperature, long topK, float topP) {
        sampling.sample(ids, logits, uniform, temperature, topK, topP);
    }

    /** {@link LinearOps#loraForward}. */
    public void loraForward(Tensor y, Tensor h, Tensor x, Tensor loraA, Tensor loraB, float scale) {
        linear.loraForward(y, h, x, loraA, loraB, scale);
    }

    /** {@link LinearOps#loraBackward}. */
    public void loraBackward(@Nullable Tensor dx, Tensor dloraA, Tensor dloraB, Tensor dy, Tensor x, Tensor h, Tensor loraA,
        Tensor loraB, float scale) {
        linear.loraBackward(dx, dloraA, dloraB, dy, x, h, loraA, loraB, scale);
    }

    /** {@link LinearOps#linearForward}. */
    public void linearForward(Tensor y, @Nullable Tensor h, Tensor x, Tensor weight, @Nullable Tensor bias, @Nullable Tensor residual,
        @Nullable Tensor loraA, @Nullable Tensor loraB, float scale) {
        linear.linearForward(y, h, x, weight, bias, residual, loraA, loraB, scale);
    }

    /** {@link LinearOps#linearBackward}. */
    public void linearBackward(Tensor dx, @Nullable Tensor dloraA, @Nullable Tensor dloraB, Tensor dy, @Nullable Tensor x, Tensor weight,
        @Nullable Tensor h, @Nullable Tensor loraA, @Nullable Tensor loraB, float scale, boolean accumulateDx) {
        linear.linearBackward(dx, dloraA, dloraB, dy, x, weight, h, loraA, loraB, scale, accumulateDx);
    }

    /** {@link LinearOps#linearSetForward}. */
    public void linearSetForward(List<Tensor> ys, Tensor x, List<LinearMap> maps) {
        linear.linearSetForward(ys, x, maps);
    }

    /** {@link LinearOps#linearGluForward}. */
    public void linearGluForward(Tensor y, Tensor x, LinearMap gate, LinearMap up, GluActivation activation) {
        linear.linearGluForward(y, x, gate, up, activation);
    }

    /** {@link LinearOps#linearGluForward}. */
    public void linearGluForward(Tensor y, GluKept kept, Tensor x, LinearMap gate, LinearMap up, GluActivation activation) {
        linear.linearGluForward(y, kept, x, gate, up, activation);
    }

    /** {@link BlockOps#residualNormForward}. */
    public void residualNormForward(Tensor out, Tensor y, Tensor x, @Nullable Tensor xWeight, Tensor residual, Tensor yWeight, float eps,
        float weightOffset) {
        block.residualNormForward(out, y, x, xWeight, residual, yWeight, eps, weightOffset);
    }

    /** {@link DecodingOps#ropeAppend}. */
    public void ropeAppend(Tensor q, Tensor keys, Tensor values, Tensor kSegment, Tensor k, Tensor v, Tensor table, Tensor qSegment,
        Tensor keyPosition) {
        decoding.ropeAppend(q, keys, values, kSegment, k, v, table, qSegment, keyPosition);
    }

    /** {@link DecodingOps#attentionDecode}. */
    public void attentionDecode(Tensor out, Tensor q, Tensor keys, Tensor values, Tensor qSegment, Tensor kSegment, Tensor keyPosition, long window,
        float scale, float softcap) {
        decoding.attentionDecode(out, q, keys, values, qSegment, kSegment, keyPosition, window, scale, softcap);
    }

    /** {@link DecodingOps#decodeAdvance}. */
    public void decodeAdvance(Tensor history, Tensor positions, Tensor keyPosition, Tensor step, Tensor ids) {
        decoding.decodeAdvance(history, positions, keyPosition, step, ids);
    }

    /** {@link OptimizerOps#project}. */
    public void project(Tensor y, Tensor g, Tensor basis, boolean right) {
        optimizer.project(y, g, basis, right);
    }

    /** {@link OptimizerOps#projectSet}. */
    public void projectSet(List<Tensor> ys, List<Tensor> gs, List<Tensor> bases, boolean[] right) {
        optimizer.projectSet(ys, gs, bases, right);
    }

    /** {@link OptimizerOps#adamwRates}. */
    public void adamwRates(Tensor rates, long step, double gradScale, AdamwOptions options) {
        optimizer.adamwRates(rates, step, gradScale, options);
    }

    /** {@link OptimizerOps#adamw}. */
    public void adamw(List<Tensor> params, List<Tensor> m, List<Tensor> v, List<Tensor> grads, Tensor rates) {
        optimizer.adamw(params, m, v, grads, rates);
    }

    /** {@link OptimizerOps#adamwProjected}. */
    public void adamwProjected(List<Tensor> params, List<Tensor> m, List<Tensor> v, List<Tensor> grads, List<Tensor> bases, boolean[] right,
        Projected projected, Tensor rates) {
        optimizer.adamwProjected(params, m, v, grads, bases, right, projected, rates);
    }

    /** {@link OptimizerOps#adamw8bit}. */
    public void adamw8bit(List<Tensor> params, List<Tensor> m, List<Tensor> v, List<Tensor> mAbsmax, List<Tensor> vAbsmax, List<Tensor> grads,
        Tensor mCode, Tensor vCode, Tensor rates) {
        optimizer.adamw8bit(params, m, v, mAbsmax, vAbsmax, grads, mCode, vCode, rates);
    }

    /** {@link LinearOps#doraNorm}. */
    public void doraNorm(Tensor norm, Tensor weight, Tensor loraA, Tensor loraB, float scale) {
        linear.doraNorm(norm, weight, loraA, loraB, scale);
    }

    /** {@link LinearOps#doraForward}. */
    public void doraForward(Tensor y, Tensor u, Tensor magnitude, Tensor norm) {
        linear.doraForward(y, u, magnitude, norm);
    }

    /** {@link LinearOps#doraBackward}. */
    public void doraBackward(Tensor du, @Nullable Tensor dmagnitude, Tensor dy, Tensor u, Tensor magnitude, Tensor norm) {
        linear.doraBackward(du, dmagnitude, dy, u, magnitude, norm);
    }

    /** {@link SaeOps#saeEncode}. */
    public void saeEncode(Tensor indices, Tensor values, Tensor counts, Tensor x, Tensor wEnc, @Nullable Tensor bias,
        @Nullable Tensor threshold, @Nullable Tensor scale, @Nullable Tensor gateBias, SaeActivation activation, long k) {
        sae.saeEncode(indices, values, counts, x, wEnc, bias, threshold, scale, gateBias, activation, k);
    }

    /** {@link SaeOps#saeEncodeBackward}. */
    public void saeEncodeBackward(Tensor dx, Tensor dvalues, Tensor indices, Tensor counts, Tensor wEnc, @Nullable Tensor scale) {
        sae.saeEncodeBackward(dx, dvalues, indices, counts, wEnc, scale);
    }

    /** {@link SaeOps#saeDecode}. */
    public void saeDecode(Tensor recon, Tensor indices, Tensor values, Tensor counts, Tensor wDec, @Nullable Tensor bias,
        @Nullable Tensor scale) {
        sae.saeDecode(recon, indices, values, counts, wDec, bias, scale);
    }

    /** {@link SaeOps#saeDecodeBackward}. */
    public void saeDecodeBackward(Tensor dvalues, Tensor drecon, Tensor indices, Tensor counts, Tensor wDec, @Nullable Tensor scale) {
        sae.saeDecodeBackward(dvalues, drecon, indices, counts, wDec, scale);
    }

    /** {@link SaeOps#saeDensify}. */
    public void saeDensify(Tensor acts, Tensor indices, Tensor values, Tensor counts) {
        sae.saeDensify(acts, indices, values, counts);
    }

    /** {@link SaeOps#saeAccumulate}. */
    public void saeAccumulate(Tensor sum, @Nullable Tensor active, Tensor indices, Tensor values, Tensor counts, Tensor tokenClass,
        @Nullable Tensor tokenWeight) {
        sae.saeAccumulate(sum, active, indices, values, counts, tokenClass, tokenWeight);
    }

    /** {@link SaeOps#saeStatistics}. */
    public void saeStatistics(Tensor sum, @Nullable Tensor sumSquares, @Nullable Tensor active, Tensor x, Tensor wEnc, @Nullable Tensor bias,
        @Nullable Tensor threshold, @Nullable Tensor scale, @Nullable Tensor gateBias, Tensor tokenClass, @Nullable Tensor tokenWeight,
        SaeActivation activation) {
        sae.saeStatistics(sum, sumSquares, active, x, wEnc, bias, threshold, scale, gateBias, tokenClass, tokenWeight, activation);
    }

    /** {@link SaeOps#standardizeForward}. */
    public void standardizeForward(Tensor y, Tensor mean, Tensor std, Tensor x, float eps) {
        sae.standardizeForward(y, mean, std, x, eps);
    }

    /** {@link SaeOps#standardizeBackward}. */
    public void standardizeBackward(Tensor dx, Tensor dy, @Nullable Tensor dmean, @Nullable Tensor dstd, Tensor x, Tensor mean,
        Tensor std, float eps) {
        sae.standardizeBackward(dx, dy, dmean, dstd, x, mean, std, eps);
    }

    /** {@link SaeOps#unstandardizeForward}. */
    public void unstandardizeForward(Tensor y, Tensor x, Tensor mean, Tensor std) {
        sae.unstandardizeForward(y, x, mean, std);
    }

    /** {@link SaeOps#unstandardizeBackward}. */
    public void unstandardizeBackward(Tensor dx, Tensor dmean, Tensor dstd, Tensor dy, Tensor x, Tensor std) {
        sae.unstandardizeBackward(dx, dmean, dstd, dy, x, std);
    }

    /** {@link OptimizerOps#ADAMW_RATES}. */
    public static final int ADAMW_RATES = OptimizerOps.ADAMW_RATES;

    /** {@link OptimizerOps#ADAMW_BLOCK}. */
    public static final int ADAMW_BLOCK = OptimizerOps.ADAMW_BLOCK;

    /** {@link OptimizerOps#adamw8bitSizes}. */
    public static long[] adamw8bitSizes(long n) {
        return OptimizerOps.adamw8bitSizes(n);
    }
}
