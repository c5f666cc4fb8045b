package io.sails4j.ops;

import static io.sails4j.ops.Call.F32_OR_BF16;
import static io.sails4j.ops.Call.code;
import static io.sails4j.ops.Call.flag;
import static io.sails4j.tensor.DType.F32;
import static io.sails4j.tensor.DType.I32;

import io.sails4j.ffi.LinearFunctions;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.Tensor;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** The section "linear" of {@code sails.h}: linear maps with their adapters. See {@link Ops}. */
public final class LinearOps {
    private static final int MAPS_OF_ONE_INPUT = 4;
    private static final String[] YS = names("ys[", "]");
    private static final String[] WEIGHTS = names("maps[", "].weight");
    private static final String[] LORA_AS = names("maps[", "].loraA");
    private static final String[] LORA_BS = names("maps[", "].loraB");

    private final Device device;
    private final LinearFunctions api;
    private final Workspace workspace;

    LinearOps(Device device, LinearFunctions api, Workspace workspace) {
        this.device = device;
        this.api = api;
        this.workspace = workspace;
    }

    /** y [n, d_out] F32|BF16 += scale * h lora_B^T, h [n, r] F32 (=) = x lora_A^T; x [n, d_in] F32|BF16, lora_A, lora_B F32. */
    public void loraForward(Tensor y, Tensor h, Tensor x, Tensor loraA, Tensor loraB, float scale) {
        try (Call call = new Call(device, "loraForward")) {
            long n = call.rows("x", x);
            long dIn = call.cols("x", x);
            long r = call.rows("loraA", loraA);
            long dOut = call.rows("loraB", loraB);
            long yAddress = call.matrix("y", y, n, dOut, F32_OR_BF16);
            long hAddress = call.matrix("h", h, n, r, F32);
            long xAddress = call.address("x", x, F32_OR_BF16);
            long loraAAddress = call.exact("loraA", loraA, F32, r, dIn);
            long loraBAddress = call.exact("loraB", loraB, F32, dOut, r);
            synchronized (workspace) {
                long bytes = api.loraForwardWorkspaceBytes(n, dIn, dOut, r);
                api.loraForward(yAddress, hAddress, xAddress, loraAAddress, loraBAddress, n, dIn, dOut, r, scale, code(y), code(x),
                    workspace.atLeast(bytes), bytes);
            }
        }
    }

    /**
     * y [n, d_out] F32|BF16 += the addition of the adapter that each row asks for: adapters[rowAdapter[t]] for row t of x [n, d_in]
     * F32|BF16; -1: none. rowAdapter [n] I32. A row's bits depend on the row and its adapter alone.
     */
    public void loraRowsForward(Tensor y, Tensor x, Tensor rowAdapter, List<LowRank> adapters) {
        try (Call call = new Call(device, "loraRowsForward")) {
            long n = call.rows("x", x);
            long dIn = call.cols("x", x);
            long dOut = call.cols("y", y);
            int count = adapters.size();
            long[] loraAs = new long[count];
            long[] loraBs = new long[count];
            long[] r = new long[count];
            float[] scale = new float[count];
            for (int i = 0; i < count; i++) {
                LowRank adapter = adapters.get(i);
                Tensor loraA = adapter.loraA();
                Tensor loraB = adapter.loraB();
                if (loraA != null && loraB != null) {
                    r[i] = call.rows("loraA", loraA);
                    scale[i] = adapter.scale();
                    loraAs[i] = call.exact("adapters[" + i + "].loraA", loraA, F32, r[i], dIn);
                    loraBs[i] = call.exact("adapters[" + i + "].loraB", loraB, F32, dOut, r[i]);
                }
            }
            long yAddress = call.matrix("y", y, n, dOut, F32_OR_BF16);
            long xAddress = call.address("x", x, F32_OR_BF16);
            long rowAdapterAddress = call.elements("rowAdapter", rowAdapter, n, I32);
            synchronized (workspace) {
                long bytes = api.loraRowsForwardWorkspaceBytes(r, count, n);
                api.loraRowsForward(yAddress, xAddress, rowAdapterAddress, loraAs, loraBs, r, scale, count, n, dIn, dOut, code(y), code(x),
                    workspace.atLeast(bytes), bytes);
            }
        }
    }

    /** dx [n, d_in] F32 += (null: not wanted), dlora_A, dlora_B F32 +=; dy [n, d_out], x [n, d_in] F32|BF16, h of the forward. */
    public void loraBackward(@Nullable Tensor dx, Tensor dloraA, Tensor dloraB, Tensor dy, Tensor x, Tensor h, Tensor loraA,
        Tensor loraB, float scale) {
        try (Call call = new Call(device, "loraBackward")) {
            long n = call.rows("x", x);
            long dIn = call.cols("x", x);
            long r = call.rows("loraA", loraA);
            long dOut = call.rows("loraB", loraB);
            long dxAddress = call.matrixOrNull("dx", dx, n, dIn, F32);
            long dloraAAddress = call.exact("dloraA", dloraA, F32, r, dIn);
            long dloraBAddress = call.exact("dloraB", dloraB, F32, dOut, r);
            long dyAddress = call.matrix("dy", dy, n, dOut, F32_OR_BF16);
            long xAddress = call.address("x", x, F32_OR_BF16);
            long hAddress = call.matrix("h", h, n, r, F32);
            long loraAAddress = call.exact("loraA", loraA, F32, r, dIn);
            long loraBAddress = call.exact("loraB", loraB, F32, dOut, r);
            synchronized (workspace) {
                long bytes = api.loraBackwardWorkspaceBytes(n, dIn, dOut, r);
                api.loraBackward(dxAddress, dloraAAddress, dloraBAddress, dyAddress, xAddress, hAddress, loraAAddress, loraBAddress, n,
                    dIn, dOut, r, scale, code(dy), code(x), workspace.atLeast(bytes), bytes);
            }
        }
    }

    /**
     * h [n, r] F32 (=) = x lora_A^T; y [n, d_out] = residual + bias + x weight^T + scale * h lora_B^T. x, weight [d_out, d_in] F32|BF16, of
     * one type; y F32, or BF16 where x is; bias [d_out] F32 and residual (of y's type and shape, may be y) may be null; h, lora_A [r,
     * d_in], lora_B [d_out, r] F32, all null for no adapter.
     */
    public void linearForward(Tensor y, @Nullable Tensor h, Tensor x, Tensor weight, @Nullable Tensor bias, @Nullable Tensor residual,
        @Nullable Tensor loraA, @Nullable Tensor loraB, float scale) {
        try (Call call = new Call(device, "linearForward")) {
            long n = call.rows("x", x);
            long dIn = call.cols("x", x);
            long dOut = call.rows("weight", weight);
            long r = loraA == null ? 0 : call.rows("loraA", loraA);
            call.sameType("weight", weight, "x", x);
            long yAddress = call.matrix("y", y, n, dOut, F32_OR_BF16);
            long hAddress = call.matrixOrNull("h", h, n, r, F32);
            long xAddress = call.address("x", x, F32_OR_BF16);
            long weightAddress = call.matrix("weight", weight, dOut, dIn, F32_OR_BF16);
            long biasAddress = bias == null ? 0 : call.elements("bias", bias, dOut, F32);
            if (residual != null) {
                call.sameType("residual", residual, "y", y);
            }
            long residualAddress = call.matrixOrNull("residual", residual, n, dOut, F32_OR_BF16);
            long loraAAddress = loraA == null ? 0 : call.exact("loraA", loraA, F32, r, dIn);
            long loraBAddress = loraB == null ? 0 : call.exact("loraB", loraB, F32, dOut, r);
            synchronized (workspace) {
                long bytes = api.linearForwardWorkspaceBytes(n, dIn, dOut, r, code(y), code(x));
                api.linearForward(yAddress, hAddress, xAddress, weightAddress, biasAddress, residualAddress, loraAAddress, loraBAddress, n,
                    dIn, dOut, r, scale, code(y), code(x), workspace.atLeast(bytes), bytes);
            }
        }
    }

    /**
     * dx [n, d_in] F32 = or += dy weight + dh lora_A with dh = scale * dy lora_B; dlora_A += dh^T x, dlora_B += scale * dy^T h, F32, both
     * null: the adapter is not trained (x and h may then be null). dy [n, d_out], x, weight of one type. Without an adapter the last
     * pointers are null.
     */
    public void linearBackward(Tensor dx, @Nullable Tensor dloraA, @Nullable Tensor dloraB, Tensor dy, @Nullable Tensor x, Tensor weight,
        @Nullable Tensor h, @Nullable Tensor loraA, @Nullable Tensor loraB, float scale, boolean accumulateDx) {
        try (Call call = new Call(device, "linearBackward")) {
            long n = call.rows("dy", dy);
            long dOut = call.cols("dy", dy);
            long dIn = call.cols("weight", weight);
            long r = loraA == null ? 0 : call.rows("loraA", loraA);
            call.sameType("weight", weight, "dy", dy);
            if (x != null) {
                call.sameType("x", x, "dy", dy);
            }
            long dxAddress = call.matrix("dx", dx, n, dIn, F32);
            long dloraAAddress = dloraA == null ? 0 : call.exact("dloraA", dloraA, F32, r, dIn);
            long dloraBAddress = dloraB == null ? 0 : call.exact("dloraB", dloraB, F32, dOut, r);
            long dyAddress = call.address("dy", dy, F32_OR_BF16);
            long xAddress = call.matrixOrNull("x", x, n, dIn, F32_OR_BF16);
            long weightAddress = call.matrix("weight", weight, dOut, dIn, F32_OR_BF16);
            long hAddress = call.matrixOrNull("h", h, n, r, F32);
            long loraAAddress = loraA == null ? 0 : call.exact("loraA", loraA, F32, r, dIn);
            long loraBAddress = loraB == null ? 0 : call.exact("loraB", loraB, F32, dOut, r);
            synchronized (workspace) {
                long bytes = api.linearBackwardWorkspaceBytes(n, dIn, dOut, r, code(dy));
                api.linearBackward(dxAddress, dloraAAddress, dloraBAddress, dyAddress, xAddress, weightAddress, hAddress, loraAAddress,
                    loraBAddress, n, dIn, dOut, r, scale, flag(accumulateDx), code(dy), workspace.atLeast(bytes), bytes);
            }
        }
    }

    /**
     * Linear maps of one input: ys[i] [n, d_out] = x maps[i]. x and the weights of one type, all ys F32, or BF16 where x is. The operation
     * queued directly before must not write weights of this one, or lora_A.
     */
    public void linearSetForward(List<Tensor> ys, Tensor x, List<LinearMap> maps) {
        try (Call call = new Call(device, "linearSetForward")) {
            if (ys.size() != maps.size()) {
                throw call.error("there are " + ys.size() + " outputs and " + maps.size() + " maps");
            }
            if (ys.isEmpty()) {
                return;
            }
            long n = call.rows("x", x);
            long dIn = call.cols("x", x);
            Maps m = new Maps(call, x, maps);
            long[] yAddresses = new long[ys.size()];
            for (int i = 0; i < yAddresses.length; i++) {
                call.sameType(named(YS, i), ys.get(i), "ys[0]", ys.getFirst());
                yAddresses[i] = call.matrix(named(YS, i), ys.get(i), n, m.dOut[i], F32_OR_BF16);
            }
            long xAddress = call.address("x", x, F32_OR_BF16);
            int yCode = code(ys.getFirst());
            synchronized (workspace) {
                long bytes = api.linearSetForwardWorkspaceBytes(m.dOut, m.r, maps.size(), n, dIn, yCode, code(x));
                api.linearSetForward(yAddresses, xAddress, m.weights, m.loraAs, m.loraBs, m.dOut, m.r, m.scale, maps.size(), n, dIn, yCode,
                    code(x), workspace.atLeast(bytes), bytes);
            }
        }
    }

    /** y [n, d_ff] = act(x gate) * (x up), all of one type; the operation queued directly before must not write weights or lora_A. */
    public void linearGluForward(Tensor y, Tensor x, LinearMap gate, LinearMap up, GluActivation activation) {
        linearGluForward(y, GluKept.NOTHING, x, gate, up, activation);
    }

    /**
     * y [n, d_ff] = act(x gate) * (x up), all of one type, and what a backward needs of it; with gate and up kept, y is what
     * {@link BlockOps#gluForward} makes of them.
     */
    public void linearGluForward(Tensor y, GluKept kept, Tensor x, LinearMap gate, LinearMap up, GluActivation activation) {
        try (Call call = new Call(device, "linearGluForward")) {
            long n = call.rows("x", x);
            long dIn = call.cols("x", x);
            Maps m = new Maps(call, x, List.of(gate, up));
            if (m.dOut[0] != m.dOut[1]) {
                throw call.error("gate has shape " + gate.weight().shape() + ", up " + up.weight().shape());
            }
            call.sameType("y", y, "x", x);
            long yAddress = call.matrix("y", y, n, m.dOut[0], F32_OR_BF16);
            long gateAddress = kept(call, "gate", kept.gate(), x, n, m.dOut[0]);
            long upAddress = kept(call, "up", kept.up(), x, n, m.dOut[0]);
            long gateHAddress = call.matrixOrNull("gateH", kept.gateH(), n, m.r[0], F32);
            long upHAddress = call.matrixOrNull("upH", kept.upH(), n, m.r[1], F32);
            long xAddress = call.address("x", x, F32_OR_BF16);
            synchronized (workspace) {
                long bytes = api.linearGluForwardWorkspaceBytes(n, dIn, m.dOut[0], m.r[0], m.r[1], code(x));
                api.linearGluForward(yAddress, gateAddress, upAddress, gateHAddress, upHAddress, xAddress, m.weights[0], m.weights[1],
                    m.loraAs[0], m.loraBs[0], m.loraAs[1], m.loraBs[1], n, dIn, m.dOut[0], m.r[0], m.r[1], m.scale[0], m.scale[1],
                    activation.abiCode(), code(x), workspace.atLeast(bytes), bytes);
            }
        }
    }

    /** norm [d_out] F32 = the lengths of the rows of weight [d_out, d_in] F32|BF16 + scale lora_b [d_out, r] lora_a [r, d_in], both F32. */
    public void doraNorm(Tensor norm, Tensor weight, Tensor loraA, Tensor loraB, float scale) {
        try (Call call = new Call(device, "doraNorm")) {
            long dOut = call.rows("weight", weight);
            long dIn = call.cols("weight", weight);
            long r = call.rows("loraA", loraA);
            api.doraNorm(call.elements("norm", norm, dOut, F32), call.address("weight", weight, F32_OR_BF16),
                call.matrix("loraA", loraA, r, dIn, F32), call.matrix("loraB", loraB, dOut, r, F32), dOut, dIn, r, scale, code(weight));
        }
    }

    /** y [n, d_out] F32|BF16 = u [n, d_out] F32 times magnitude / norm, both [d_out] F32, by columns; y may alias u. */
    public void doraForward(Tensor y, Tensor u, Tensor magnitude, Tensor norm) {
        try (Call call = new Call(device, "doraForward")) {
            long n = call.rows("u", u);
            long dOut = call.cols("u", u);
            api.doraForward(call.matrix("y", y, n, dOut, F32_OR_BF16), call.address("u", u, F32), call.elements("magnitude", magnitude,
                dOut, F32), call.elements("norm", norm, dOut, F32), n, dOut, code(y));
        }
    }

    /**
     * du [n, d_out] = dy times magnitude / norm, may alias dy; dmagnitude [d_out] F32 += sum over n of dy u / norm; dy, du F32|BF16 of one
     * type.
     */
    public void doraBackward(Tensor du, @Nullable Tensor dmagnitude, Tensor dy, Tensor u, Tensor magnitude, Tensor norm) {
        try (Call call = new Call(device, "doraBackward")) {
            long n = call.rows("u", u);
            long dOut = call.cols("u", u);
            call.sameType("du", du, "dy", dy);
            api.doraBackward(call.matrix("du", du, n, dOut, F32_OR_BF16), call.elementsOrNull("dmagnitude", dmagnitude, dOut, F32),
                call.matrix("dy", dy, n, dOut, F32_OR_BF16), call.address("u", u, F32), call.elements("magnitude", magnitude, dOut, F32),
                call.elements("norm", norm, dOut, F32), n, dOut, code(dy));
        }
    }

    private static long kept(Call call, String name, @Nullable Tensor tensor, Tensor x, long n, long dOut) {
        if (tensor != null) {
            call.sameType(name, tensor, "x", x);
        }
        return call.matrixOrNull(name, tensor, n, dOut, F32_OR_BF16);
    }

    private static String[] names(String before, String after) {
        return IntStream.range(0, MAPS_OF_ONE_INPUT).mapToObj(i -> before + i + after).toArray(String[]::new);
    }

    /** The name of an element, made anew where a list is longer than those that a token needs. */
    private static String named(String[] names, int i) {
        return i < names.length ? names[i] : names[0].replace("[0]", "[" + i + "]");
    }

    /** The addresses and sizes of a set of maps in the words of {@code sails.h}. */
    private static final class Maps {
        private final long[] weights;
        private final long[] loraAs;
        private final long[] loraBs;
        private final long[] dOut;
        private final long[] r;
        private final float[] scale;

        Maps(Call call, Tensor x, List<LinearMap> maps) {
            int count = maps.size();
            weights = new long[count];
            loraAs = new long[count];
            loraBs = new long[count];
            dOut = new long[count];
            r = new long[count];
            scale = new float[count];
            long dIn = call.cols("x", x);
            for (int i = 0; i < count; i++) {
                LinearMap map = maps.get(i);
                String weight = named(WEIGHTS, i);
                dOut[i] = call.rows(weight, map.weight());
                r[i] = map.r();
                scale[i] = map.scale();
                call.sameType(weight, map.weight(), "x", x);
                weights[i] = call.matrix(weight, map.weight(), dOut[i], dIn, F32_OR_BF16);
                loraAs[i] = map.loraA() == null ? 0 : call.exact(named(LORA_AS, i), map.loraA(), F32, r[i], dIn);
                loraBs[i] = map.loraB() == null ? 0 : call.exact(named(LORA_BS, i), map.loraB(), F32, dOut[i], r[i]);
            }
        }
    }
}
