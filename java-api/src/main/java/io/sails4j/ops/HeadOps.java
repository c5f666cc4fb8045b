package io.sails4j.ops;

import static io.sails4j.ops.Call.F32_OR_BF16;
import static io.sails4j.ops.Call.code;
import static io.sails4j.tensor.DType.F32;
import static io.sails4j.tensor.DType.F64;
import static io.sails4j.tensor.DType.I32;

import io.sails4j.ffi.HeadFunctions;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** The section "head" of {@code sails.h}: from hidden states to losses. See {@link Ops}. */
public final class HeadOps {
    private final Device device;
    private final HeadFunctions api;
    private final Workspace workspace;

    HeadOps(Device device, HeadFunctions api, Workspace workspace) {
        this.device = device;
        this.api = api;
        this.workspace = workspace;
    }

    /** y = cap * tanh(x / cap), F32; y may alias x. */
    public void softcapForward(Tensor y, Tensor x, float cap) {
        try (Call call = new Call(device, "softcapForward")) {
            call.require(cap > 0, () -> "cap is " + cap + ", expected a positive number");
            api.softcapForward(call.like("y", y, "x", x, F32), call.address("x", x, F32), x.numel(), cap);
        }
    }

    /** dx = dy * (1 - (y / cap)^2), F32; dx may alias dy. */
    public void softcapBackward(Tensor dx, Tensor dy, Tensor y, float cap) {
        try (Call call = new Call(device, "softcapBackward")) {
            call.require(cap > 0, () -> "cap is " + cap + ", expected a positive number");
            api.softcapBackward(call.like("dx", dx, "y", y, F32), call.like("dy", dy, "y", y, F32), call.address("y", y, F32), y.numel(),
                cap);
        }
    }

    /**
     * token_loss [n] F32 and dlogits [n, vocab] F32 of logits [n, vocab] F32; targets I32 (-100 = not counted); dlogits may alias logits.
     */
    public void crossEntropy(Tensor tokenLoss, @Nullable Tensor dlogits, Tensor logits, Tensor targets, @Nullable Tensor tokenWeight) {
        try (Call call = new Call(device, "crossEntropy")) {
            long n = call.rows("logits", logits);
            long vocab = call.cols("logits", logits);
            call.require(dlogits == null || tokenWeight != null, "dlogits needs tokenWeight");
            api.crossEntropy(call.elements("tokenLoss", tokenLoss, n, F32), call.matrixOrNull("dlogits", dlogits, n, vocab, F32),
                call.address("logits", logits, F32), call.elements("targets", targets, n, I32),
                call.elementsOrNull("tokenWeight", tokenWeight, n, F32), n, vocab);
        }
    }

    /** Bytes of scratch memory that {@link #headLoss} takes for so many tokens. */
    public long headLossWorkspaceBytes(long nTokens, long dModel, long vocab, DType dtype) {
        return api.headLossWorkspaceBytes(nTokens, dModel, vocab, dtype.abiCode());
    }

    /** token_loss [n] F32, dhidden [n, d_model] F32 (=), dembed [vocab, d_model] F32 (+=); hidden, embed of one type F32|BF16. */
    public void headLoss(Tensor tokenLoss, @Nullable Tensor dhidden, @Nullable Tensor dembed, Tensor hidden, Tensor embed,
        Tensor targets, @Nullable Tensor tokenWeight, float softcap) {
        try (Call call = new Call(device, "headLoss")) {
            long n = call.rows("hidden", hidden);
            long dModel = call.cols("hidden", hidden);
            long vocab = call.rows("embed", embed);
            call.require(tokenWeight != null || (dhidden == null && dembed == null), "dhidden and dembed need tokenWeight");
            long lossAddress = call.elements("tokenLoss", tokenLoss, n, F32);
            long dhiddenAddress = call.matrixOrNull("dhidden", dhidden, n, dModel, F32);
            long dembedAddress = call.matrixOrNull("dembed", dembed, vocab, dModel, F32);
            long hiddenAddress = call.address("hidden", hidden, F32_OR_BF16);
            long embedAddress = call.matrix("embed", embed, vocab, dModel, hidden.dtype());
            long targetsAddress = call.elements("targets", targets, n, I32);
            long weightAddress = call.elementsOrNull("tokenWeight", tokenWeight, n, F32);
            synchronized (workspace) {
                long bytes = api.headLossWorkspaceBytes(n, dModel, vocab, code(hidden));
                api.headLoss(lossAddress, dhiddenAddress, dembedAddress, hiddenAddress, embedAddress, targetsAddress, weightAddress, n,
                    dModel, vocab, softcap, code(hidden), workspace.atLeast(bytes), bytes);
            }
        }
    }

    /**
     * Preference losses of pairs: results [n_pairs, 4] F64 = log p of the aligned and the unaligned answer, margin, loss; token_weight
     * [n_tokens] F32 (or null) = lossScale times the derivative by token_loss [n_tokens] F32. Answers are tokens [starts[i], ends[i]), I32
     * [2 n_pairs], all aligned ones first, as is reference F64 [2 n_pairs] (null for ORPO); targets [n_tokens] I32, -100 = not counted.
     */
    public void preferenceLoss(Tensor results, @Nullable Tensor tokenWeight, Tensor tokenLoss, Tensor targets, Tensor starts, Tensor ends,
        @Nullable Tensor reference, PreferenceKind kind, double strength, double lossScale) {
        try (Call call = new Call(device, "preferenceLoss")) {
            long pairs = call.rows("results", results);
            long tokens = tokenLoss.numel();
            call.require(reference != null || kind == PreferenceKind.ORPO, () -> kind + " needs reference");
            api.preferenceLoss(call.matrix("results", results, pairs, 4, F64), call.elementsOrNull("tokenWeight", tokenWeight, tokens, F32),
                call.address("tokenLoss", tokenLoss, F32), call.elements("targets", targets, tokens, I32),
                call.elements("starts", starts, 2 * pairs, I32), call.elements("ends", ends, 2 * pairs, I32),
                call.elementsOrNull("reference", reference, 2 * pairs, F64), pairs, tokens, kind.abiCode(), strength, lossScale);
        }
    }
}
