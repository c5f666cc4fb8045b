package io.sails4j.ops;

import io.sails4j.ffi.NativeDevice;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.Tensor;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The operations of {@code sails.h} on tensors, with its names in camelCase; formulas, aliasing and "=" or "+=" are those of the header.
 * Arguments are the outputs, the inputs, the sizes that no shape tells, then scalars. Leading sizes of a tensor that the header calls
 * {@code [n, d]} are flattened. Wrong shapes and types are {@link IllegalArgumentException} and name the operation and the argument.
 */
public final class Ops {
    private final Device device;
    private final NativeDevice api;
    private final Workspace workspace;
    private final ElementwiseCalls elementwise;
    private final MatmulCalls matmul;
    private final LayerCalls layers;
    private final LoraCalls lora;
    private final DecodeCalls decoding;
    private final OptimizerCalls optimizer;
    private final SaeCalls sae;

    Ops(Device device) {
        this.device = device;
        this.api = device.handle();
        this.workspace = new Workspace(device);
        this.elementwise = new ElementwiseCalls(api, workspace);
        this.matmul = new MatmulCalls(api, workspace);
        this.layers = new LayerCalls(api, workspace);
        this.lora = new LoraCalls(api, workspace);
        this.decoding = new DecodeCalls(api, workspace);
        this.optimizer = new OptimizerCalls(api, workspace);
        this.sae = new SaeCalls(api, workspace);
    }

    void close() {
        workspace.close();
    }

    Graph record(Runnable body) {
        return Graph.record(api, workspace, body);
    }

    private Call call(String operation) {
        return new Call(device, operation);
    }

    // ---------------------------------------------------------------- elementwise, rows, reductions

    /** dst = src, between F32, BF16, F16 and F64; as many elements, in any shape. */
    public void convert(Tensor dst, Tensor src) {
        try (Call call = call("convert")) {
            elementwise.convert(call, dst, src);
        }
    }

    /** y F32 = alpha * x F32|BF16 + beta * y; beta 0 does not read y. */
    public void axpby(Tensor y, Tensor x, float alpha, float beta) {
        try (Call call = call("axpby")) {
            elementwise.axpby(call, y, x, alpha, beta);
        }
    }

    /** y [n, d] F32 = x [n, d] F32|BF16 + alpha * row [d] F32. */
    public void addRow(Tensor y, Tensor x, Tensor row, float alpha) {
        try (Call call = call("addRow")) {
            elementwise.addRow(call, y, x, row, alpha);
        }
    }

    /** y [n, d] = x [rows[i], :]; y and x of one type, rows I32, each in [0, rows of x). */
    public void gatherRows(Tensor y, Tensor x, Tensor rows) {
        try (Call call = call("gatherRows")) {
            elementwise.gatherRows(call, y, x, rows);
        }
    }

    /** The sum of squares of each F32 tensor, on the host; waits. */
    public double[] sumOfSquares(List<Tensor> tensors) {
        try (Call call = call("sumOfSquares")) {
            return elementwise.sumOfSquares(call, tensors);
        }
    }

    /** The same into sums [tensors] F64 on the device; does not wait. */
    public void sumOfSquares(Tensor sums, List<Tensor> tensors) {
        try (Call call = call("sumOfSquares")) {
            elementwise.sumOfSquares(call, sums, tensors);
        }
    }

    /** How many elements of x F32|BF16|F16 are NaN or infinite; waits. */
    public long countNonfinite(Tensor x) {
        try (Call call = call("countNonfinite")) {
            return elementwise.countNonfinite(call, x);
        }
    }

    // ---------------------------------------------------------------- dense matmul

    /**
     * c [m, n] = alpha * op(a) op(b) + beta * c. a and b of one type, F32 or BF16; c F32, or BF16 where they are. Of tensors with more
     * than two sizes all but the last are rows. beta 0 does not read c.
     */
    public void matmul(Tensor c, Tensor a, Tensor b, boolean transposeA, boolean transposeB, float alpha, float beta) {
        try (Call call = call("matmul")) {
            matmul.matmul(call, c, a, b, transposeA, transposeB, alpha, beta);
        }
    }

    // ---------------------------------------------------------------- transformer layers

    /** y [n_tokens, d_model] F32|BF16 = table [ids, :] * scale; ids I32, table [vocab, d_model] F32|BF16. */
    public void embeddingForward(Tensor y, Tensor ids, Tensor table, float scale) {
        try (Call call = call("embeddingForward")) {
            layers.embeddingForward(call, y, ids, table, scale);
        }
    }

    /** dtable [vocab, d_model] F32 += scale * dy [n_tokens, d_model] F32, by ids I32. */
    public void embeddingBackward(Tensor dtable, Tensor dy, Tensor ids, float scale) {
        try (Call call = call("embeddingBackward")) {
            layers.embeddingBackward(call, dtable, dy, ids, scale);
        }
    }

    /** y [n, d] = residual + x * rstd * (weightOffset + weight); x, y F32|BF16, residual of y's type, weight [d] and rstd [n] F32. */
    public void rmsnormForward(Tensor y, @Nullable Tensor rstd, Tensor x, Tensor weight, @Nullable Tensor residual, float eps,
        float weightOffset) {
        try (Call call = call("rmsnormForward")) {
            layers.rmsnormForward(call, y, rstd, x, weight, residual, eps, weightOffset);
        }
    }

    /** dx [n, d] F32 "=" or "+="; dweight [d] F32 +=; dy, x F32|BF16. */
    public void rmsnormBackward(Tensor dx, @Nullable Tensor dweight, Tensor dy, Tensor x, Tensor weight, Tensor rstd,
        float weightOffset, boolean accumulateDx) {
        try (Call call = call("rmsnormBackward")) {
            layers.rmsnormBackward(call, dx, dweight, dy, x, weight, rstd, weightOffset, accumulateDx);
        }
    }

    /** table [n_tokens, head_dim / 2, 2] F32: cos and sin of positions I32 times invFreq [head_dim / 2] F64. */
    public void ropeTable(Tensor table, Tensor positions, Tensor invFreq) {
        try (Call call = call("ropeTable")) {
            layers.ropeTable(call, table, positions, invFreq);
        }
    }

    /** y = x [n_tokens, n_heads, head_dim] F32|BF16 turned by table [n_tokens, head_dim / 2, 2], or turned back; y may alias x. */
    public void rope(Tensor y, Tensor x, Tensor table, boolean inverse) {
        try (Call call = call("rope")) {
            layers.rope(call, y, x, table, inverse);
        }
    }

    /** Attention; q, out in any shape of the right size, k, v at least {@link AttentionShape#minKvElements()}, segments I32, lse F32. */
    public void attentionForward(Tensor out, @Nullable Tensor lse, Tensor q, Tensor k, Tensor v, Tensor qSegment, Tensor kSegment,
        AttentionShape s) {
        try (Call call = call("attentionForward")) {
            layers.attentionForward(call, out, lse, q, k, v, qSegment, kSegment, s);
        }
    }

    /** dq, dk, dv (=), dk and dv dense; out and lse are those of the forward call. */
    public void attentionBackward(Tensor dq, Tensor dk, Tensor dv, Tensor dout, Tensor q, Tensor k, Tensor v, Tensor out, Tensor lse,
        Tensor qSegment, Tensor kSegment, AttentionShape s) {
        try (Call call = call("attentionBackward")) {
            layers.attentionBackward(call, dq, dk, dv, dout, q, k, v, out, lse, qSegment, kSegment, s);
        }
    }

    /** y = activation(gate) * up, elementwise, one type F32|BF16; y may alias gate or up. */
    public void gluForward(Tensor y, Tensor gate, Tensor up, GluActivation activation) {
        try (Call call = call("gluForward")) {
            layers.gluForward(call, y, gate, up, activation);
        }
    }

    /** dgate may alias gate, dup may alias up or dy. */
    public void gluBackward(Tensor dgate, Tensor dup, Tensor dy, Tensor gate, Tensor up, GluActivation activation) {
        try (Call call = call("gluBackward")) {
            layers.gluBackward(call, dgate, dup, dy, gate, up, activation);
        }
    }

    /** y = cap * tanh(x / cap), F32; y may alias x. */
    public void softcapForward(Tensor y, Tensor x, float cap) {
        try (Call call = call("softcapForward")) {
            layers.softcapForward(call, y, x, cap);
        }
    }

    /** dx = dy * (1 - (y / cap)^2), F32; dx may alias dy. */
    public void softcapBackward(Tensor dx, Tensor dy, Tensor y, float cap) {
        try (Call call = call("softcapBackward")) {
            layers.softcapBackward(call, dx, dy, y, cap);
        }
    }

    /**
     * token_loss [n] F32 and dlogits [n, vocab] F32 of logits [n, vocab] F32; targets I32 (-100 = not counted); dlogits may alias logits.
     */
    public void crossEntropy(Tensor tokenLoss, @Nullable Tensor dlogits, Tensor logits, Tensor targets, @Nullable Tensor tokenWeight) {
        try (Call call = call("crossEntropy")) {
            layers.crossEntropy(call, tokenLoss, dlogits, logits, targets, tokenWeight);
        }
    }

    /** Bytes of scratch memory that {@link #attentionBackward} takes for so many sequences of one length. */
    public long attentionBackwardWorkspaceBytes(long batch, long length, long nHeads, long nKvHeads, long headDim, DType dtype) {
        return api.layers().attentionBackwardWorkspaceBytes(batch, length, length, nHeads, nKvHeads, headDim, dtype.abiCode());
    }

    /** Bytes of scratch memory that {@link #headLoss} takes for so many tokens. */
    public long headLossWorkspaceBytes(long nTokens, long dModel, long vocab, DType dtype) {
        return api.layers().headLossWorkspaceBytes(nTokens, dModel, vocab, dtype.abiCode());
    }

    /** token_loss [n] F32, dhidden [n, d_model] F32 (=), dembed [vocab, d_model] F32 (+=); hidden, embed of one type F32|BF16. */
    public void headLoss(Tensor tokenLoss, @Nullable Tensor dhidden, @Nullable Tensor dembed, Tensor hidden, Tensor embed,
        Tensor targets, @Nullable Tensor tokenWeight, float softcap) {
        try (Call call = call("headLoss")) {
            layers.headLoss(call, tokenLoss, dhidden, dembed, hidden, embed, targets, tokenWeight, softcap);
        }
    }

    /**
     * Preference losses of pairs: results [n_pairs, 4] F64 = log p of the aligned and the unaligned answer, margin, loss; token_weight [n_tokens] F32
     * (or null) = lossScale times the derivative by token_loss [n_tokens] F32. Answers are tokens [starts[i], ends[i]), I32 [2 n_pairs], all aligned
     * ones first, as is reference F64 [2 n_pairs] (null for ORPO); targets [n_tokens] I32, -100 = not counted.
     */
    public void preferenceLoss(Tensor results, @Nullable Tensor tokenWeight, Tensor tokenLoss, Tensor targets, Tensor starts, Tensor ends,
        @Nullable Tensor reference, PreferenceKind kind, double strength, double lossScale) {
        try (Call call = call("preferenceLoss")) {
            layers.preferenceLoss(call, results, tokenWeight, tokenLoss, targets, starts, ends, reference, kind, strength, lossScale);
        }
    }

    /** ids [n] I32 of logits [n, vocab] F32; uniform [n] F32 may be null at temperature 0. */
    public void sample(Tensor ids, Tensor logits, @Nullable Tensor uniform, float temperature, long topK, float topP) {
        try (Call call = call("sample")) {
            layers.sample(call, ids, logits, uniform, temperature, topK, topP);
        }
    }

    // ---------------------------------------------------------------- LoRA

    /** y [n, d_out] F32|BF16 += scale * h lora_B^T, h [n, r] F32 (=) = x lora_A^T; x [n, d_in] F32|BF16, lora_A, lora_B F32. */
    public void loraForward(Tensor y, Tensor h, Tensor x, Tensor loraA, Tensor loraB, float scale) {
        try (Call call = call("loraForward")) {
            lora.loraForward(call, y, h, x, loraA, loraB, scale);
        }
    }

    /** dx [n, d_in] F32 += (null: not wanted), dlora_A, dlora_B F32 +=; dy [n, d_out], x [n, d_in] F32|BF16, h of the forward. */
    public void loraBackward(@Nullable Tensor dx, Tensor dloraA, Tensor dloraB, Tensor dy, Tensor x, Tensor h, Tensor loraA,
        Tensor loraB, float scale) {
        try (Call call = call("loraBackward")) {
            lora.loraBackward(call, dx, dloraA, dloraB, dy, x, h, loraA, loraB, scale);
        }
    }

    /**
     * h [n, r] F32 (=) = x lora_A^T; y [n, d_out] = residual + bias + x weight^T + scale * h lora_B^T. x, weight [d_out, d_in] F32|BF16, of one
     * type; y F32, or BF16 where x is; bias [d_out] F32 and residual (of y's type and shape, may be y) may be null; h, lora_A [r, d_in], lora_B
     * [d_out, r] F32, all null for no adapter.
     */
    public void linearForward(Tensor y, @Nullable Tensor h, Tensor x, Tensor weight, @Nullable Tensor bias, @Nullable Tensor residual,
        @Nullable Tensor loraA, @Nullable Tensor loraB, float scale) {
        try (Call call = call("linearForward")) {
            lora.linearForward(call, y, h, x, weight, bias, residual, loraA, loraB, scale);
        }
    }

    /**
     * dx [n, d_in] F32 = or += dy weight + dh lora_A with dh = scale * dy lora_B; dlora_A += dh^T x, dlora_B += scale * dy^T h, F32, both null:
     * the adapter is not trained (x and h may then be null). dy [n, d_out], x, weight of one type. Without an adapter the last pointers are null.
     */
    public void linearBackward(Tensor dx, @Nullable Tensor dloraA, @Nullable Tensor dloraB, Tensor dy, @Nullable Tensor x, Tensor weight,
        @Nullable Tensor h, @Nullable Tensor loraA, @Nullable Tensor loraB, float scale, boolean accumulateDx) {
        try (Call call = call("linearBackward")) {
            lora.linearBackward(call, dx, dloraA, dloraB, dy, x, weight, h, loraA, loraB, scale, accumulateDx);
        }
    }

    // ---------------------------------------------------------------- decoding: one new token a sequence

    /**
     * Linear maps of one input: ys[i] [n, d_out] = x maps[i]. x and the weights of one type, all ys F32, or BF16 where x is. The operation queued
     * directly before must not write weights of this one, or lora_A.
     */
    public void linearSetForward(List<Tensor> ys, Tensor x, List<LinearMap> maps) {
        try (Call call = call("linearSetForward")) {
            decoding.linearSetForward(call, ys, x, maps);
        }
    }

    /** y [n, d_ff] = act(x gate) * (x up), all of one type; the operation queued directly before must not write weights or lora_A. */
    public void linearGluForward(Tensor y, Tensor x, LinearMap gate, LinearMap up, GluActivation activation) {
        linearGluForward(y, GluKept.NOTHING, x, gate, up, activation);
    }

    /** The same, and what a backward needs of it; with gate and up kept, y is what {@link #gluForward} makes of them. */
    public void linearGluForward(Tensor y, GluKept kept, Tensor x, LinearMap gate, LinearMap up, GluActivation activation) {
        try (Call call = call("linearGluForward")) {
            decoding.linearGluForward(call, y, kept, x, gate, up, activation);
        }
    }

    /**
     * out [n, d] F32 = residual + norm(x) by xWeight (null: residual + x), y [n, d] F32|BF16 = norm(out) by yWeight; out may alias x or residual.
     */
    public void residualNormForward(Tensor out, Tensor y, Tensor x, @Nullable Tensor xWeight, Tensor residual, Tensor yWeight, float eps,
        float weightOffset) {
        try (Call call = call("residualNormForward")) {
            decoding.residualNormForward(call, out, y, x, xWeight, residual, yWeight, eps, weightOffset);
        }
    }

    /**
     * Turns q [batch, n_heads, head_dim] in place, and puts turned k, v and qSegment [batch] I32 at place keyPosition (one I32) of keys, values [batch,
     * capacity, n_kv_heads, head_dim] and kSegment [batch, capacity] I32; table [batch, head_dim / 2, 2].
     */
    public void ropeAppend(Tensor q, Tensor keys, Tensor values, Tensor kSegment, Tensor k, Tensor v, Tensor table, Tensor qSegment,
        Tensor keyPosition) {
        try (Call call = call("ropeAppend")) {
            decoding.ropeAppend(call, q, keys, values, kSegment, k, v, table, qSegment, keyPosition);
        }
    }

    /** Attention of one query a sequence, which stands at key keyPosition of the cache; shapes as in {@link #ropeAppend}, out that of q. */
    public void attentionDecode(Tensor out, Tensor q, Tensor keys, Tensor values, Tensor qSegment, Tensor kSegment, Tensor keyPosition, long window,
        float scale, float softcap) {
        try (Call call = call("attentionDecode")) {
            decoding.attentionDecode(call, out, q, keys, values, qSegment, kSegment, keyPosition, window, scale, softcap);
        }
    }

    /** history [steps, batch] gets ids [batch] in row step; then positions [batch], keyPosition and step count up by one; all I32. */
    public void decodeAdvance(Tensor history, Tensor positions, Tensor keyPosition, Tensor step, Tensor ids) {
        try (Call call = call("decodeAdvance")) {
            decoding.decodeAdvance(call, history, positions, keyPosition, step, ids);
        }
    }

    // ---------------------------------------------------------------- projection, optimizer

    /** y = U U^T g with g [d, n], or with {@code right} y = g U U^T with g [n, d]; basis U [d, r_s]; F32; y may alias g. */
    public void project(Tensor y, Tensor g, Tensor basis, boolean right) {
        try (Call call = call("project")) {
            optimizer.project(call, y, g, basis, right);
        }
    }

    /**
     * {@link #project} of a whole set at once: ys[i] = gs[i] held to the span of bases[i], from the right where right[i]; ys[i] may alias gs[i].
     */
    public void projectSet(List<Tensor> ys, List<Tensor> gs, List<Tensor> bases, boolean[] right) {
        try (Call call = call("projectSet")) {
            optimizer.projectSet(call, ys, gs, bases, right);
        }
    }

    /** Numbers of {@link #adamwRates}. */
    public static final int ADAMW_RATES = 9;

    /** rates [9] F32 = what {@link #adamw} does in a step (counted from 1), whose gradients are multiplied by gradScale first. */
    public void adamwRates(Tensor rates, long step, double gradScale, AdamwOptions options) {
        try (Call call = call("adamwRates")) {
            optimizer.adamwRates(call, rates, step, gradScale, options);
        }
    }

    /** One AdamW step on lists of F32 tensors of equal sizes, by rates [9] F32 of {@link #adamwRates}. */
    public void adamw(List<Tensor> params, List<Tensor> m, List<Tensor> v, List<Tensor> grads, Tensor rates) {
        try (Call call = call("adamw")) {
            optimizer.adamw(call, params, m, v, grads, rates);
        }
    }

    /**
     * {@link #adamw} on matrices that are held to subspaces: the gradient is projected before the moments see it (grads stay as they are), or the
     * matrix after its step. bases[i] [d, r_s]; params[i] [d, n], or [n, d] where right[i].
     */
    public void adamwProjected(List<Tensor> params, List<Tensor> m, List<Tensor> v, List<Tensor> grads, List<Tensor> bases, boolean[] right,
        Projected projected, Tensor rates) {
        try (Call call = call("adamwProjected")) {
            optimizer.adamwProjected(call, params, m, v, grads, bases, right, projected, rates);
        }
    }

    /** Elements that share a scale in {@link #adamw8bit}. */
    public static final int ADAMW_BLOCK = 256;

    /** The state of one tensor of {@code n} elements in {@link #adamw8bit}: elements of {@code q} (I32, four codes each) and of {@code absmax} F32. */
    public static long[] adamw8bitSizes(long n) {
        long blocks = Math.ceilDiv(n, (long) ADAMW_BLOCK);
        return new long[] {blocks * ADAMW_BLOCK / Integer.BYTES, blocks};
    }

    /**
     * {@link #adamw} with moments in 8 bits by blocks: m and v hold the codes, four an I32 element, mAbsmax and vAbsmax F32 the blocks' scales, in
     * the sizes of {@link #adamw8bitSizes}; mCode, vCode [256] F32 rising.
     */
    public void adamw8bit(List<Tensor> params, List<Tensor> m, List<Tensor> v, List<Tensor> mAbsmax, List<Tensor> vAbsmax, List<Tensor> grads,
        Tensor mCode, Tensor vCode, Tensor rates) {
        try (Call call = call("adamw8bit")) {
            optimizer.adamw8bit(call, params, m, v, mAbsmax, vAbsmax, grads, mCode, vCode, rates);
        }
    }

    /** norm [d_out] F32 = the lengths of the rows of weight [d_out, d_in] F32|BF16 + scale lora_b [d_out, r] lora_a [r, d_in], both F32. */
    public void doraNorm(Tensor norm, Tensor weight, Tensor loraA, Tensor loraB, float scale) {
        try (Call call = call("doraNorm")) {
            optimizer.doraNorm(call, norm, weight, loraA, loraB, scale);
        }
    }

    /** y [n, d_out] F32|BF16 = u [n, d_out] F32 times magnitude / norm, both [d_out] F32, by columns; y may alias u. */
    public void doraForward(Tensor y, Tensor u, Tensor magnitude, Tensor norm) {
        try (Call call = call("doraForward")) {
            optimizer.doraForward(call, y, u, magnitude, norm);
        }
    }

    /** du [n, d_out] = dy times magnitude / norm, may alias dy; dmagnitude [d_out] F32 += sum over n of dy u / norm; dy, du F32|BF16 of one type. */
    public void doraBackward(Tensor du, @Nullable Tensor dmagnitude, Tensor dy, Tensor u, Tensor magnitude, Tensor norm) {
        try (Call call = call("doraBackward")) {
            optimizer.doraBackward(call, du, dmagnitude, dy, u, magnitude, norm);
        }
    }

    // ---------------------------------------------------------------- sparse autoencoders

    /**
     * indices I32, values F32 [n_tokens, capacity], counts [n_tokens] I32 (true counts, may exceed the capacity) of x [n_tokens, d_in];
     * w_enc [d_in, d_sae] of x's type F32|BF16; bias, threshold, scale, gate_bias [d_sae] F32; k for topk only.
     */
    public void saeEncode(Tensor indices, Tensor values, Tensor counts, Tensor x, Tensor wEnc, @Nullable Tensor bias,
        @Nullable Tensor threshold, @Nullable Tensor scale, @Nullable Tensor gateBias, SaeActivation activation, long k) {
        try (Call call = call("saeEncode")) {
            sae.saeEncode(call, indices, values, counts, x, wEnc, bias, threshold, scale, gateBias, activation, k);
        }
    }

    /** dx [n_tokens, d_in] F32 (=) from dvalues [n_tokens, capacity] F32; w_enc [d_in, d_sae] F32|BF16. */
    public void saeEncodeBackward(Tensor dx, Tensor dvalues, Tensor indices, Tensor counts, Tensor wEnc, @Nullable Tensor scale) {
        try (Call call = call("saeEncodeBackward")) {
            sae.saeEncodeBackward(call, dx, dvalues, indices, counts, wEnc, scale);
        }
    }

    /** recon [n_tokens, d_in] F32 = bias + the active features' rows of w_dec [d_sae, d_in] F32|BF16, weighted. */
    public void saeDecode(Tensor recon, Tensor indices, Tensor values, Tensor counts, Tensor wDec, @Nullable Tensor bias,
        @Nullable Tensor scale) {
        try (Call call = call("saeDecode")) {
            sae.saeDecode(call, recon, indices, values, counts, wDec, bias, scale);
        }
    }

    /** dvalues [n_tokens, capacity] F32 from drecon [n_tokens, d_in] F32; slots past the count are not written. */
    public void saeDecodeBackward(Tensor dvalues, Tensor drecon, Tensor indices, Tensor counts, Tensor wDec, @Nullable Tensor scale) {
        try (Call call = call("saeDecodeBackward")) {
            sae.saeDecodeBackward(call, dvalues, drecon, indices, counts, wDec, scale);
        }
    }

    /** acts [n_tokens, d_sae] F32: the codes written out densely. */
    public void saeDensify(Tensor acts, Tensor indices, Tensor values, Tensor counts) {
        try (Call call = call("saeDensify")) {
            sae.saeDensify(call, acts, indices, values, counts);
        }
    }

    /** sum, active [n_classes, d_sae] F64 +=; token_class [n_tokens] I32, negative = left out; token_weight [n_tokens] F32. */
    public void saeAccumulate(Tensor sum, @Nullable Tensor active, Tensor indices, Tensor values, Tensor counts, Tensor tokenClass,
        @Nullable Tensor tokenWeight) {
        try (Call call = call("saeAccumulate")) {
            sae.saeAccumulate(call, sum, active, indices, values, counts, tokenClass, tokenWeight);
        }
    }

    /**
     * sum, sum_squares, active [n_classes, d_sae] F64 += the statistics of {@link #saeEncode}'s features by class of the token, in one pass and
     * without codes; token_class [n_tokens] I32, negative = left out; token_weight [n_tokens] F32. Not for topk.
     */
    public void saeStatistics(Tensor sum, @Nullable Tensor sumSquares, @Nullable Tensor active, Tensor x, Tensor wEnc, @Nullable Tensor bias,
        @Nullable Tensor threshold, @Nullable Tensor scale, @Nullable Tensor gateBias, Tensor tokenClass, @Nullable Tensor tokenWeight,
        SaeActivation activation) {
        try (Call call = call("saeStatistics")) {
            sae.saeStatistics(call, sum, sumSquares, active, x, wEnc, bias, threshold, scale, gateBias, tokenClass, tokenWeight, activation);
        }
    }

    /** y [n, d] F32 = (x - mean) / (std + eps), mean, std [n] F32 (=); y may alias x. */
    public void standardizeForward(Tensor y, Tensor mean, Tensor std, Tensor x, float eps) {
        try (Call call = call("standardizeForward")) {
            sae.standardizeForward(call, y, mean, std, x, eps);
        }
    }

    /** dx [n, d] F32 (=): through y, and through mean and std where dmean, dstd [n] are given. */
    public void standardizeBackward(Tensor dx, Tensor dy, @Nullable Tensor dmean, @Nullable Tensor dstd, Tensor x, Tensor mean,
        Tensor std, float eps) {
        try (Call call = call("standardizeBackward")) {
            sae.standardizeBackward(call, dx, dy, dmean, dstd, x, mean, std, eps);
        }
    }

    /** y [n, d] F32 = x * std[i] + mean[i]; y may alias x. */
    public void unstandardizeForward(Tensor y, Tensor x, Tensor mean, Tensor std) {
        try (Call call = call("unstandardizeForward")) {
            sae.unstandardizeForward(call, y, x, mean, std);
        }
    }

    /** dx [n, d] = dy * std[i], dmean[i] = sum_j dy, dstd[i] = sum_j dy * x (all =), F32; dx may alias dy. */
    public void unstandardizeBackward(Tensor dx, Tensor dmean, Tensor dstd, Tensor dy, Tensor x, Tensor std) {
        try (Call call = call("unstandardizeBackward")) {
            sae.unstandardizeBackward(call, dx, dmean, dstd, dy, x, std);
        }
    }
}
