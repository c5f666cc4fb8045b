package io.sails4j.ops;

import static io.sails4j.ops.Call.F32_OR_BF16;
import static io.sails4j.ops.Call.code;
import static io.sails4j.ops.Call.flag;
import static io.sails4j.ops.Call.sizes;
import static io.sails4j.tensor.DType.F32;
import static io.sails4j.tensor.DType.I32;

import io.sails4j.ffi.NativeDevice;
import io.sails4j.ffi.NativeOptimizer;
import io.sails4j.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The operations of {@link Ops} in the section "projection, optimizer" of {@code sails.h}. */
final class OptimizerCalls {
    private final NativeOptimizer api;
    private final Workspace workspace;

    OptimizerCalls(NativeDevice device, Workspace workspace) {
        this.api = device.optimizer();
        this.workspace = workspace;
    }

    void project(Call call, Tensor y, Tensor g, Tensor basis, boolean right) {
        long d = call.rows("basis", basis);
        long rS = call.cols("basis", basis);
        long rows = call.rows("g", g);
        long cols = call.cols("g", g);
        call.require((right ? cols : rows) == d, "g has shape " + g.shape() + ", which basis " + basis.shape()
            + " cannot project from the " + (right ? "right" : "left"));
        long yAddress = call.matrix("y", y, rows, cols, F32);
        long gAddress = call.address("g", g, F32);
        long basisAddress = call.address("basis", basis, F32);
        long n = right ? rows : cols;
        synchronized (workspace) {
            long bytes = api.projectWorkspaceBytes(d, rS, n);
            api.project(yAddress, gAddress, basisAddress, d, rS, n, flag(right), workspace.atLeast(bytes), bytes);
        }
    }

    void projectSet(Call call, List<Tensor> ys, List<Tensor> gs, List<Tensor> bases, boolean[] right) {
        ProjectedSizes s = projectedSizes(call, "gs", gs, bases, right);
        requireShapes(call, "ys", ys, gs);
        long[] yAddresses = call.addresses("ys", ys);
        long[] gAddresses = call.addresses("gs", gs);
        long[] basisAddresses = call.addresses("bases", bases);
        synchronized (workspace) {
            long bytes = api.projectSetWorkspaceBytes(s.d, s.rS, s.n);
            api.projectSet(yAddresses, gAddresses, basisAddresses, s.d, s.rS, s.n, s.right, workspace.atLeast(bytes), bytes);
        }
    }

    void adamwRates(Call call, Tensor rates, long step, double gradScale, AdamwOptions options) {
        call.require(step >= 1, "step is " + step + ", expected a number >= 1");
        api.adamwRates(call.elements("rates", rates, Ops.ADAMW_RATES, F32), step, gradScale, options.lr(), options.beta1(), options.beta2(),
            options.eps(), options.weightDecay());
    }

    void adamw(Call call, List<Tensor> params, List<Tensor> m, List<Tensor> v, List<Tensor> grads, Tensor rates) {
        long[] sizes = sizes(params);
        requireSizes(call, "m", m, sizes);
        requireSizes(call, "v", v, sizes);
        requireSizes(call, "grads", grads, sizes);
        api.adamw(call.addresses("params", params), call.addresses("m", m), call.addresses("v", v), call.addresses("grads", grads),
            call.elements("rates", rates, Ops.ADAMW_RATES, F32), sizes);
    }

    void adamwProjected(Call call, List<Tensor> params, List<Tensor> m, List<Tensor> v, List<Tensor> grads, List<Tensor> bases, boolean[] right,
        Projected projected, Tensor rates) {
        ProjectedSizes s = projectedSizes(call, "params", params, bases, right);
        requireShapes(call, "m", m, params);
        requireShapes(call, "v", v, params);
        requireShapes(call, "grads", grads, params);
        long[] paramAddresses = call.addresses("params", params);
        long[] mAddresses = call.addresses("m", m);
        long[] vAddresses = call.addresses("v", v);
        long[] gradAddresses = call.addresses("grads", grads);
        long[] basisAddresses = call.addresses("bases", bases);
        long ratesAddress = call.elements("rates", rates, Ops.ADAMW_RATES, F32);
        synchronized (workspace) {
            long bytes = api.adamwProjectedWorkspaceBytes(s.d, s.rS, s.n);
            api.adamwProjected(paramAddresses, mAddresses, vAddresses, gradAddresses, basisAddresses, ratesAddress, s.d, s.rS, s.n, s.right,
                projected.abiCode(), workspace.atLeast(bytes), bytes);
        }
    }

    void adamw8bit(Call call, List<Tensor> params, List<Tensor> m, List<Tensor> v, List<Tensor> mAbsmax, List<Tensor> vAbsmax, List<Tensor> grads,
        Tensor mCode, Tensor vCode, Tensor rates) {
        long[] sizes = sizes(params);
        requireSizes(call, "grads", grads, sizes);
        long[] codes = Arrays.stream(sizes).map(n -> Ops.adamw8bitSizes(n)[0]).toArray();
        long[] blocks = Arrays.stream(sizes).map(n -> Ops.adamw8bitSizes(n)[1]).toArray();
        requireSizes(call, "m", m, codes);
        requireSizes(call, "v", v, codes);
        requireSizes(call, "mAbsmax", mAbsmax, blocks);
        requireSizes(call, "vAbsmax", vAbsmax, blocks);
        api.adamw8bit(call.addresses("params", params), call.addresses("m", m, I32), call.addresses("v", v, I32),
            call.addresses("mAbsmax", mAbsmax), call.addresses("vAbsmax", vAbsmax), call.addresses("grads", grads),
            call.elements("mCode", mCode, Ops.ADAMW_BLOCK, F32), call.elements("vCode", vCode, Ops.ADAMW_BLOCK, F32),
            call.elements("rates", rates, Ops.ADAMW_RATES, F32), sizes);
    }

    void doraNorm(Call call, Tensor norm, Tensor weight, Tensor loraA, Tensor loraB, float scale) {
        long dOut = call.rows("weight", weight);
        long dIn = call.cols("weight", weight);
        long r = call.rows("loraA", loraA);
        api.doraNorm(call.elements("norm", norm, dOut, F32), call.address("weight", weight, F32_OR_BF16),
            call.matrix("loraA", loraA, r, dIn, F32), call.matrix("loraB", loraB, dOut, r, F32), dOut, dIn, r, scale, code(weight));
    }

    void doraForward(Call call, Tensor y, Tensor u, Tensor magnitude, Tensor norm) {
        long n = call.rows("u", u);
        long dOut = call.cols("u", u);
        api.doraForward(call.matrix("y", y, n, dOut, F32_OR_BF16), call.address("u", u, F32), call.elements("magnitude", magnitude, dOut, F32),
            call.elements("norm", norm, dOut, F32), n, dOut, code(y));
    }

    void doraBackward(Call call, Tensor du, @Nullable Tensor dmagnitude, Tensor dy, Tensor u, Tensor magnitude, Tensor norm) {
        long n = call.rows("u", u);
        long dOut = call.cols("u", u);
        call.sameType("du", du, "dy", dy);
        api.doraBackward(call.matrix("du", du, n, dOut, F32_OR_BF16), call.elementsOrNull("dmagnitude", dmagnitude, dOut, F32),
            call.matrix("dy", dy, n, dOut, F32_OR_BF16), call.address("u", u, F32), call.elements("magnitude", magnitude, dOut, F32),
            call.elements("norm", norm, dOut, F32), n, dOut, code(dy));
    }

    /** The sizes of a set of projections in the words of {@code sails.h}. */
    private record ProjectedSizes(long[] d, long[] rS, long[] n, int[] right) {
    }

    private static ProjectedSizes projectedSizes(Call call, String name, List<Tensor> gs, List<Tensor> bases, boolean[] right) {
        int count = gs.size();
        call.require(bases.size() == count && right.length == count,
            name + " are " + count + " matrices, with " + bases.size() + " bases and " + right.length + " sides");
        ProjectedSizes s = new ProjectedSizes(new long[count], new long[count], new long[count], new int[count]);
        for (int i = 0; i < count; i++) {
            String at = "[" + i + "]";
            Tensor g = gs.get(i);
            Tensor basis = bases.get(i);
            s.d[i] = call.rows("bases" + at, basis);
            s.rS[i] = call.cols("bases" + at, basis);
            long rows = call.rows(name + at, g);
            long cols = call.cols(name + at, g);
            call.require((right[i] ? cols : rows) == s.d[i], name + at + " has shape " + g.shape() + ", which bases" + at + " "
                + basis.shape() + " cannot project from the " + (right[i] ? "right" : "left"));
            s.n[i] = right[i] ? rows : cols;
            s.right[i] = flag(right[i]);
        }
        return s;
    }

    private static void requireShapes(Call call, String name, List<Tensor> tensors, List<Tensor> like) {
        call.require(tensors.size() == like.size(), name + " are " + tensors.size() + " matrices, expected " + like.size());
        for (int i = 0; i < like.size(); i++) {
            call.require(tensors.get(i).shape().equals(like.get(i).shape()),
                name + "[" + i + "] has shape " + tensors.get(i).shape() + ", expected " + like.get(i).shape());
        }
    }

    private static void requireSizes(Call call, String name, List<Tensor> tensors, long[] sizes) {
        call.require(Arrays.equals(sizes(tensors), sizes),
            name + " has tensors of sizes " + Arrays.toString(sizes(tensors)) + ", params of " + Arrays.toString(sizes));
    }
}
