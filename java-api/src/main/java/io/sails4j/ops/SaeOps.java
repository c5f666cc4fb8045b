package io.sails4j.ops;

import static io.sails4j.ops.Call.F32_OR_BF16;
import static io.sails4j.ops.Call.code;
import static io.sails4j.tensor.DType.F32;
import static io.sails4j.tensor.DType.F64;
import static io.sails4j.tensor.DType.I32;

import io.sails4j.ffi.SaeFunctions;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** The section "sae" of {@code sails.h}: sparse autoencoders and the standardisation around them. See {@link Ops}. */
public final class SaeOps {
    private final Device device;
    private final SaeFunctions api;
    private final Workspace workspace;

    SaeOps(Device device, SaeFunctions api, Workspace workspace) {
        this.device = device;
        this.api = api;
        this.workspace = workspace;
    }

    /**
     * indices I32, values F32 [n_tokens, capacity], counts [n_tokens] I32 (true counts, may exceed the capacity) of x [n_tokens, d_in];
     * w_enc [d_in, d_sae] of x's type F32|BF16; bias, threshold, scale, gate_bias [d_sae] F32; k for topk only.
     */
    public void saeEncode(Tensor indices, Tensor values, Tensor counts, Tensor x, Tensor wEnc, @Nullable Tensor bias,
        @Nullable Tensor threshold, @Nullable Tensor scale, @Nullable Tensor gateBias, SaeActivation activation, long k) {
        try (Call call = new Call(device, "saeEncode")) {
            encode(call, indices, values, counts, x, wEnc, bias, threshold, scale, gateBias, activation, k).run();
        }
    }

    /**
     * {@link #saeEncode} of the same tensors again and again, which stay open: checked once, and from then on called without an object on
     * Java's heap.
     */
    public Runnable preparedSaeEncode(Tensor indices, Tensor values, Tensor counts, Tensor x, Tensor wEnc, @Nullable Tensor bias,
        @Nullable Tensor threshold, @Nullable Tensor scale, @Nullable Tensor gateBias, SaeActivation activation, long k) {
        Call call = new Call(device, "saeEncode");
        Runnable encode = encode(call, indices, values, counts, x, wEnc, bias, threshold, scale, gateBias, activation, k);
        return () -> {
            encode.run();
            call.close();
        };
    }

    private Runnable encode(Call call, Tensor indices, Tensor values, Tensor counts, Tensor x, Tensor wEnc, @Nullable Tensor bias,
        @Nullable Tensor threshold, @Nullable Tensor scale, @Nullable Tensor gateBias, SaeActivation activation, long k) {
        long n = call.rows("x", x);
        long dIn = call.cols("x", x);
        long dSae = call.cols("wEnc", wEnc);
        long capacity = call.cols("indices", indices);
        requireVectors(call, activation, threshold, gateBias);
        call.require(activation != SaeActivation.TOPK || k >= 0, () -> "k is " + k + ", expected a number >= 0");
        long indicesAddress = call.matrix("indices", indices, n, capacity, I32);
        long valuesAddress = call.matrix("values", values, n, capacity, F32);
        long countsAddress = call.elements("counts", counts, n, I32);
        long xAddress = call.address("x", x, F32_OR_BF16);
        long wEncAddress = call.matrix("wEnc", wEnc, dIn, dSae, x.dtype());
        long biasAddress = call.elementsOrNull("bias", bias, dSae, F32);
        long thresholdAddress = call.elementsOrNull("threshold", threshold, dSae, F32);
        long scaleAddress = call.elementsOrNull("scale", scale, dSae, F32);
        long gateBiasAddress = call.elementsOrNull("gateBias", gateBias, dSae, F32);
        int kind = activation.abiCode();
        int type = code(x);
        return () -> {
            synchronized (workspace) {
                long bytes = api.saeEncodeWorkspaceBytes(n, dIn, dSae, kind, k, type);
                api.saeEncode(indicesAddress, valuesAddress, countsAddress, xAddress, wEncAddress, biasAddress, thresholdAddress,
                    scaleAddress, gateBiasAddress, n, dIn, dSae, capacity, kind, k, type, workspace.atLeast(bytes), bytes);
            }
        };
    }

    /** dx [n_tokens, d_in] F32 (=) from dvalues [n_tokens, capacity] F32; w_enc [d_in, d_sae] F32|BF16. */
    public void saeEncodeBackward(Tensor dx, Tensor dvalues, Tensor indices, Tensor counts, Tensor wEnc, @Nullable Tensor scale) {
        try (Call call = new Call(device, "saeEncodeBackward")) {
            long n = call.rows("indices", indices);
            long capacity = call.cols("indices", indices);
            long dIn = call.rows("wEnc", wEnc);
            long dSae = call.cols("wEnc", wEnc);
            api.saeEncodeBackward(call.matrix("dx", dx, n, dIn, F32), call.matrix("dvalues", dvalues, n, capacity, F32),
                call.address("indices", indices, I32), call.elements("counts", counts, n, I32), call.address("wEnc", wEnc, F32_OR_BF16),
                call.elementsOrNull("scale", scale, dSae, F32), n, dIn, dSae, capacity, code(wEnc));
        }
    }

    /** recon [n_tokens, d_in] F32 = bias + the active features' rows of w_dec [d_sae, d_in] F32|BF16, weighted. */
    public void saeDecode(Tensor recon, Tensor indices, Tensor values, Tensor counts, Tensor wDec, @Nullable Tensor bias,
        @Nullable Tensor scale) {
        try (Call call = new Call(device, "saeDecode")) {
            long n = call.rows("indices", indices);
            long capacity = call.cols("indices", indices);
            long dSae = call.rows("wDec", wDec);
            long dIn = call.cols("wDec", wDec);
            api.saeDecode(call.matrix("recon", recon, n, dIn, F32), call.address("indices", indices, I32),
                call.matrix("values", values, n, capacity, F32), call.elements("counts", counts, n, I32),
                call.address("wDec", wDec, F32_OR_BF16), call.elementsOrNull("bias", bias, dIn, F32),
                call.elementsOrNull("scale", scale, dSae, F32), n, dIn, dSae, capacity, code(wDec));
        }
    }

    /** dvalues [n_tokens, capacity] F32 from drecon [n_tokens, d_in] F32; slots past the count are not written. */
    public void saeDecodeBackward(Tensor dvalues, Tensor drecon, Tensor indices, Tensor counts, Tensor wDec, @Nullable Tensor scale) {
        try (Call call = new Call(device, "saeDecodeBackward")) {
            long n = call.rows("indices", indices);
            long capacity = call.cols("indices", indices);
            long dSae = call.rows("wDec", wDec);
            long dIn = call.cols("wDec", wDec);
            api.saeDecodeBackward(call.matrix("dvalues", dvalues, n, capacity, F32), call.matrix("drecon", drecon, n, dIn, F32),
                call.address("indices", indices, I32), call.elements("counts", counts, n, I32), call.address("wDec", wDec, F32_OR_BF16),
                call.elementsOrNull("scale", scale, dSae, F32), n, dIn, dSae, capacity, code(wDec));
        }
    }

    /**
     * dw [d_sae, d_in] F32 += value * rows[t] for each code, or with {@code transposed} the columns of dw [d_in, d_sae]; rows [n_tokens,
     * d_in], values [n_tokens, capacity] F32, ids rising in each row as {@link #saeEncode} writes them.
     */
    public void saeWeightGradient(Tensor dw, Tensor rows, Tensor indices, Tensor values, Tensor counts, boolean transposed) {
        try (Call call = new Call(device, "saeWeightGradient")) {
            long n = call.rows("indices", indices);
            long capacity = call.cols("indices", indices);
            long dIn = call.cols("rows", rows);
            long dSae = transposed ? call.cols("dw", dw) : call.rows("dw", dw);
            api.saeWeightGradient(transposed ? call.matrix("dw", dw, dIn, dSae, F32) : call.matrix("dw", dw, dSae, dIn, F32),
                call.matrix("rows", rows, n, dIn, F32), call.address("indices", indices, I32),
                call.matrix("values", values, n, capacity, F32),
                call.elements("counts", counts, n, I32), n, dIn, dSae, capacity, Call.flag(transposed));
        }
    }

    /** acts [n_tokens, d_sae] F32: the codes written out densely. */
    public void saeDensify(Tensor acts, Tensor indices, Tensor values, Tensor counts) {
        try (Call call = new Call(device, "saeDensify")) {
            long n = call.rows("indices", indices);
            long capacity = call.cols("indices", indices);
            long dSae = call.cols("acts", acts);
            api.saeDensify(call.matrix("acts", acts, n, dSae, F32), call.address("indices", indices, I32),
                call.matrix("values", values, n, capacity, F32), call.elements("counts", counts, n, I32), n, dSae, capacity);
        }
    }

    /** sum, active [n_classes, d_sae] F64 +=; token_class [n_tokens] I32, negative = left out; token_weight [n_tokens] F32. */
    public void saeAccumulate(Tensor sum, @Nullable Tensor active, Tensor indices, Tensor values, Tensor counts, Tensor tokenClass,
        @Nullable Tensor tokenWeight) {
        try (Call call = new Call(device, "saeAccumulate")) {
            long n = call.rows("indices", indices);
            long capacity = call.cols("indices", indices);
            long nClasses = call.rows("sum", sum);
            long dSae = call.cols("sum", sum);
            api.saeAccumulate(call.address("sum", sum, F64), call.matrixOrNull("active", active, nClasses, dSae, F64),
                call.address("indices", indices, I32), call.matrix("values", values, n, capacity, F32),
                call.elements("counts", counts, n, I32), call.elements("tokenClass", tokenClass, n, I32),
                call.elementsOrNull("tokenWeight", tokenWeight, n, F32), n, dSae, capacity, nClasses);
        }
    }

    /**
     * sum, sum_squares, active [n_classes, d_sae] F64 += the statistics of {@link #saeEncode}'s features by class of the token, in one pass
     * and without codes; token_class [n_tokens] I32, negative = left out; token_weight [n_tokens] F32. Not for topk.
     */
    public void saeStatistics(Tensor sum, @Nullable Tensor sumSquares, @Nullable Tensor active, Tensor x, Tensor wEnc,
        @Nullable Tensor bias,
        @Nullable Tensor threshold, @Nullable Tensor scale, @Nullable Tensor gateBias, Tensor tokenClass, @Nullable Tensor tokenWeight,
        SaeActivation activation) {
        try (Call call = new Call(device, "saeStatistics")) {
            long n = call.rows("x", x);
            long dIn = call.cols("x", x);
            long dSae = call.cols("wEnc", wEnc);
            long nClasses = call.rows("sum", sum);
            call.require(activation != SaeActivation.TOPK, "topk needs the whole row: take saeEncode and saeAccumulate");
            requireVectors(call, activation, threshold, gateBias);
            long sumAddress = call.matrix("sum", sum, nClasses, dSae, F64);
            long squaresAddress = call.matrixOrNull("sumSquares", sumSquares, nClasses, dSae, F64);
            long activeAddress = call.matrixOrNull("active", active, nClasses, dSae, F64);
            long xAddress = call.address("x", x, F32_OR_BF16);
            long wEncAddress = call.matrix("wEnc", wEnc, dIn, dSae, x.dtype());
            long biasAddress = call.elementsOrNull("bias", bias, dSae, F32);
            long thresholdAddress = call.elementsOrNull("threshold", threshold, dSae, F32);
            long scaleAddress = call.elementsOrNull("scale", scale, dSae, F32);
            long gateBiasAddress = call.elementsOrNull("gateBias", gateBias, dSae, F32);
            long classAddress = call.elements("tokenClass", tokenClass, n, I32);
            long weightAddress = call.elementsOrNull("tokenWeight", tokenWeight, n, F32);
            synchronized (workspace) {
                long bytes = api.saeStatisticsWorkspaceBytes(n, dIn, dSae, nClasses, activation.abiCode(), code(x));
                api.saeStatistics(sumAddress, squaresAddress, activeAddress, xAddress, wEncAddress, biasAddress, thresholdAddress,
                    scaleAddress, gateBiasAddress, classAddress, weightAddress, n, dIn, dSae, nClasses, activation.abiCode(), code(x),
                    workspace.atLeast(bytes), bytes);
            }
        }
    }

    /** y [n, d] F32 = (x - mean) / (std + eps), mean, std [n] F32 (=); y may alias x. */
    public void standardizeForward(Tensor y, Tensor mean, Tensor std, Tensor x, float eps) {
        try (Call call = new Call(device, "standardizeForward")) {
            long rows = call.rows("x", x);
            long cols = call.cols("x", x);
            api.standardizeForward(call.matrix("y", y, rows, cols, F32), call.elements("mean", mean, rows, F32),
                call.elements("std", std, rows, F32), call.address("x", x, F32), rows, cols, eps);
        }
    }

    /** dx [n, d] F32 (=): through y, and through mean and std where dmean, dstd [n] are given. */
    public void standardizeBackward(Tensor dx, Tensor dy, @Nullable Tensor dmean, @Nullable Tensor dstd, Tensor x, Tensor mean,
        Tensor std, float eps) {
        try (Call call = new Call(device, "standardizeBackward")) {
            long rows = call.rows("x", x);
            long cols = call.cols("x", x);
            api.standardizeBackward(call.matrix("dx", dx, rows, cols, F32), call.matrix("dy", dy, rows, cols, F32),
                call.elementsOrNull("dmean", dmean, rows, F32), call.elementsOrNull("dstd", dstd, rows, F32), call.address("x", x, F32),
                call.elements("mean", mean, rows, F32), call.elements("std", std, rows, F32), rows, cols, eps);
        }
    }

    /** y [n, d] F32 = x * std[i] + mean[i]; y may alias x. */
    public void unstandardizeForward(Tensor y, Tensor x, Tensor mean, Tensor std) {
        try (Call call = new Call(device, "unstandardizeForward")) {
            long rows = call.rows("x", x);
            long cols = call.cols("x", x);
            api.unstandardizeForward(call.matrix("y", y, rows, cols, F32), call.address("x", x, F32),
                call.elements("mean", mean, rows, F32), call.elements("std", std, rows, F32), rows, cols);
        }
    }

    /** dx [n, d] = dy * std[i], dmean[i] = sum_j dy, dstd[i] = sum_j dy * x (all =), F32; dx may alias dy. */
    public void unstandardizeBackward(Tensor dx, Tensor dmean, Tensor dstd, Tensor dy, Tensor x, Tensor std) {
        try (Call call = new Call(device, "unstandardizeBackward")) {
            long rows = call.rows("x", x);
            long cols = call.cols("x", x);
            api.unstandardizeBackward(call.matrix("dx", dx, rows, cols, F32), call.elements("dmean", dmean, rows, F32),
                call.elements("dstd", dstd, rows, F32), call.matrix("dy", dy, rows, cols, F32), call.address("x", x, F32),
                call.elements("std", std, rows, F32), rows, cols);
        }
    }

    private static void requireVectors(Call call, SaeActivation activation, @Nullable Tensor threshold, @Nullable Tensor gateBias) {
        call.require(activation != SaeActivation.JUMPRELU || threshold != null, "jumprelu needs threshold");
        call.require(activation != SaeActivation.GATED || gateBias != null, "gated needs gateBias");
    }
}
