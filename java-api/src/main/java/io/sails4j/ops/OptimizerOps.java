package io.sails4j.ops;

import static io.sails4j.ops.Call.flag;
import static io.sails4j.ops.Call.sizes;
import static io.sails4j.tensor.DType.F32;
import static io.sails4j.tensor.DType.I32;

import io.sails4j.ffi.OptimizerFunctions;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import java.util.Arrays;
import java.util.List;

/** The section "optimizer" of {@code sails.h}: projections and AdamW. See {@link Ops}. */
public final class OptimizerOps {
    /** Numbers of {@link #adamwRates}. */
    public static final int ADAMW_RATES = 9;

    /** Elements that share a scale in {@link #adamw8bit}. */
    public static final int ADAMW_BLOCK = 256;

    private final Device device;
    private final OptimizerFunctions api;
    private final Workspace workspace;

    OptimizerOps(Device device, OptimizerFunctions api, Workspace workspace) {
        this.device = device;
        this.api = api;
        this.workspace = workspace;
    }

    /** y = U U^T g with g [d, n], or with {@code right} y = g U U^T with g [n, d]; basis U [d, r_s]; F32; y may alias g. */
    public void project(Tensor y, Tensor g, Tensor basis, boolean right) {
        try (Call call = new Call(device, "project")) {
            long d = call.rows("basis", basis);
            long rS = call.cols("basis", basis);
            long rows = call.rows("g", g);
            long cols = call.cols("g", g);
            call.require((right ? cols : rows) == d, () -> "g has shape " + g.shape() + ", which basis " + basis.shape()
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
    }

    /**
     * {@link #project} of a whole set at once: ys[i] = gs[i] held to the span of bases[i], from the right where right[i]; ys[i] may alias
     * gs[i].
     */
    public void projectSet(List<Tensor> ys, List<Tensor> gs, List<Tensor> bases, boolean[] right) {
        try (Call call = new Call(device, "projectSet")) {
            ProjectedSizes s = projectedSizes(call, "gs", gs, bases, right);
            requireShapes(call, "ys", ys, gs);
            long[] yAddresses = call.addresses("ys", ys);
            long[] gAddresses = call.addresses("gs", gs);
            long[] basisAddresses = call.addresses("bases", bases);
            synchronized (workspace) {
                long bytes = api.projectSetWorkspaceBytes(s.d, s.rS, s.n, ys.size());
                api.projectSet(yAddresses, gAddresses, basisAddresses, s.d, s.rS, s.n, s.right, ys.size(), workspace.atLeast(bytes), bytes);
            }
        }
    }

    /** rates [9] F32 = what {@link #adamw} does in a step (counted from 1), whose gradients are multiplied by gradScale first. */
    public void adamwRates(Tensor rates, long step, double gradScale, AdamwOptions options) {
        try (Call call = new Call(device, "adamwRates")) {
            call.require(step >= 1, () -> "step is " + step + ", expected a number >= 1");
            api.adamwRates(call.elements("rates", rates, ADAMW_RATES, F32), step, gradScale, options.lr(), options.beta1(), options.beta2(),
                options.eps(), options.weightDecay());
        }
    }

    /** One AdamW step on lists of F32 tensors of equal sizes, by rates [9] F32 of {@link #adamwRates}. */
    public void adamw(List<Tensor> params, List<Tensor> m, List<Tensor> v, List<Tensor> grads, Tensor rates) {
        try (Call call = new Call(device, "adamw")) {
            long[] sizes = sizes(params);
            requireSizes(call, "m", m, sizes);
            requireSizes(call, "v", v, sizes);
            requireSizes(call, "grads", grads, sizes);
            api.adamw(call.addresses("params", params), call.addresses("m", m), call.addresses("v", v), call.addresses("grads", grads),
                call.elements("rates", rates, ADAMW_RATES, F32), sizes, sizes.length);
        }
    }

    /**
     * {@link #adamw} on matrices that are held to subspaces: the gradient is projected before the moments see it (grads stay as they are),
     * or the matrix after its step. bases[i] [d, r_s]; params[i] [d, n], or [n, d] where right[i].
     */
    public void adamwProjected(List<Tensor> params, List<Tensor> m, List<Tensor> v, List<Tensor> grads, List<Tensor> bases, boolean[] right,
        Projected projected, Tensor rates) {
        try (Call call = new Call(device, "adamwProjected")) {
            ProjectedSizes s = projectedSizes(call, "params", params, bases, right);
            requireShapes(call, "m", m, params);
            requireShapes(call, "v", v, params);
            requireShapes(call, "grads", grads, params);
            long[] paramAddresses = call.addresses("params", params);
            long[] mAddresses = call.addresses("m", m);
            long[] vAddresses = call.addresses("v", v);
            long[] gradAddresses = call.addresses("grads", grads);
            long[] basisAddresses = call.addresses("bases", bases);
            long ratesAddress = call.elements("rates", rates, ADAMW_RATES, F32);
            synchronized (workspace) {
                long bytes = api.adamwProjectedWorkspaceBytes(s.d, s.rS, s.n, params.size());
                api.adamwProjected(paramAddresses, mAddresses, vAddresses, gradAddresses, basisAddresses, ratesAddress, s.d, s.rS, s.n,
                    s.right, params.size(), projected.abiCode(), workspace.atLeast(bytes), bytes);
            }
        }
    }

    /**
     * The state of one tensor of {@code n} elements in {@link #adamw8bit}: elements of {@code q} (I32, four codes each) and of {@code
     * absmax} F32.
     */
    public static long[] adamw8bitSizes(long n) {
        long blocks = Math.ceilDiv(n, (long) ADAMW_BLOCK);
        return new long[] {blocks * ADAMW_BLOCK / Integer.BYTES, blocks};
    }

    /**
     * {@link #adamw} with moments in 8 bits by blocks: m and v hold the codes, four an I32 element, mAbsmax and vAbsmax F32 the blocks'
     * scales, in the sizes of {@link #adamw8bitSizes}; mCode, vCode [256] F32 rising.
     */
    public void adamw8bit(List<Tensor> params, List<Tensor> m, List<Tensor> v, List<Tensor> mAbsmax, List<Tensor> vAbsmax,
        List<Tensor> grads, Tensor mCode, Tensor vCode, Tensor rates) {
        try (Call call = new Call(device, "adamw8bit")) {
            long[] sizes = sizes(params);
            requireSizes(call, "grads", grads, sizes);
            long[] codes = Arrays.stream(sizes).map(n -> adamw8bitSizes(n)[0]).toArray();
            long[] blocks = Arrays.stream(sizes).map(n -> adamw8bitSizes(n)[1]).toArray();
            requireSizes(call, "m", m, codes);
            requireSizes(call, "v", v, codes);
            requireSizes(call, "mAbsmax", mAbsmax, blocks);
            requireSizes(call, "vAbsmax", vAbsmax, blocks);
            api.adamw8bit(call.addresses("params", params), call.addresses("m", m, I32), call.addresses("v", v, I32),
                call.addresses("mAbsmax", mAbsmax), call.addresses("vAbsmax", vAbsmax), call.addresses("grads", grads),
                call.elements("mCode", mCode, DynamicCode.CODES, F32), call.elements("vCode", vCode, DynamicCode.CODES, F32),
                call.elements("rates", rates, ADAMW_RATES, F32), sizes, sizes.length);
        }
    }

    /** The sizes of a set of projections in the words of {@code sails.h}. */
    private record ProjectedSizes(long[] d, long[] rS, long[] n, int[] right) {
    }

    private static ProjectedSizes projectedSizes(Call call, String name, List<Tensor> gs, List<Tensor> bases, boolean[] right) {
        int count = gs.size();
        call.require(bases.size() == count && right.length == count,
            () -> name + " are " + count + " matrices, with " + bases.size() + " bases and " + right.length + " sides");
        ProjectedSizes s = new ProjectedSizes(new long[count], new long[count], new long[count], new int[count]);
        for (int i = 0; i < count; i++) {
            String at = "[" + i + "]";
            Tensor g = gs.get(i);
            Tensor basis = bases.get(i);
            s.d[i] = call.rows("bases" + at, basis);
            s.rS[i] = call.cols("bases" + at, basis);
            long rows = call.rows(name + at, g);
            long cols = call.cols(name + at, g);
            boolean fromRight = right[i];
            call.require((fromRight ? cols : rows) == s.d[i], () -> name + at + " has shape " + g.shape() + ", which bases" + at + " "
                + basis.shape() + " cannot project from the " + (fromRight ? "right" : "left"));
            s.n[i] = fromRight ? rows : cols;
            s.right[i] = flag(fromRight);
        }
        return s;
    }

    private static void requireShapes(Call call, String name, List<Tensor> tensors, List<Tensor> like) {
        call.require(tensors.size() == like.size(), () -> name + " are " + tensors.size() + " matrices, expected " + like.size());
        for (int i = 0; i < like.size(); i++) {
            int at = i;
            Shape found = tensors.get(i).shape();
            Shape expected = like.get(i).shape();
            call.require(found.equals(expected), () -> name + "[" + at + "] has shape " + found + ", expected " + expected);
        }
    }

    private static void requireSizes(Call call, String name, List<Tensor> tensors, long[] sizes) {
        call.require(Arrays.equals(sizes(tensors), sizes),
            () -> name + " has tensors of sizes " + Arrays.toString(sizes(tensors)) + ", params of " + Arrays.toString(sizes));
    }
}
