package io.sails4j.ops;

import static io.sails4j.ops.Call.F32_OR_BF16;
import static io.sails4j.ops.Call.code;
import static io.sails4j.tensor.DType.F32;
import static io.sails4j.tensor.DType.I32;

import io.sails4j.ffi.NativeDecoding;
import io.sails4j.ffi.NativeDevice;
import io.sails4j.tensor.Tensor;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The operations of {@link Ops} in the section "decoding: one new token a sequence" of {@code sails.h}. */
final class DecodeCalls {
    private final NativeDecoding api;
    private final Workspace workspace;

    DecodeCalls(NativeDevice device, Workspace workspace) {
        this.api = device.decoding();
        this.workspace = workspace;
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
                String at = "maps[" + i + "].";
                dOut[i] = call.rows(at + "weight", map.weight());
                r[i] = map.r();
                scale[i] = map.scale();
                call.sameType(at + "weight", map.weight(), "x", x);
                weights[i] = call.matrix(at + "weight", map.weight(), dOut[i], dIn, F32_OR_BF16);
                loraAs[i] = map.loraA() == null ? 0 : call.exact(at + "loraA", map.loraA(), F32, r[i], dIn);
                loraBs[i] = map.loraB() == null ? 0 : call.exact(at + "loraB", map.loraB(), F32, dOut[i], r[i]);
            }
        }
    }

    void linearSetForward(Call call, List<Tensor> ys, Tensor x, List<LinearMap> maps) {
        call.require(ys.size() == maps.size(), "there are " + ys.size() + " outputs and " + maps.size() + " maps");
        if (ys.isEmpty()) {
            return;
        }
        long n = call.rows("x", x);
        long dIn = call.cols("x", x);
        Maps m = new Maps(call, x, maps);
        long[] yAddresses = new long[ys.size()];
        for (int i = 0; i < yAddresses.length; i++) {
            call.sameType("ys[" + i + "]", ys.get(i), "ys[0]", ys.getFirst());
            yAddresses[i] = call.matrix("ys[" + i + "]", ys.get(i), n, m.dOut[i], F32_OR_BF16);
        }
        long xAddress = call.address("x", x, F32_OR_BF16);
        int yCode = code(ys.getFirst());
        synchronized (workspace) {
            long bytes = api.linearSetForwardWorkspaceBytes(m.dOut, m.r, n, dIn, yCode, code(x));
            api.linearSetForward(yAddresses, xAddress, m.weights, m.loraAs, m.loraBs, m.dOut, m.r, m.scale, n, dIn, yCode, code(x),
                workspace.atLeast(bytes), bytes);
        }
    }

    void linearGluForward(Call call, Tensor y, GluKept kept, Tensor x, LinearMap gate, LinearMap up, GluActivation activation) {
        long n = call.rows("x", x);
        long dIn = call.cols("x", x);
        Maps m = new Maps(call, x, List.of(gate, up));
        call.require(m.dOut[0] == m.dOut[1], "gate has shape " + gate.weight().shape() + ", up " + up.weight().shape());
        call.sameType("y", y, "x", x);
        long yAddress = call.matrix("y", y, n, m.dOut[0], F32_OR_BF16);
        long gateAddress = kept(call, "gate", kept.gate(), x, n, m.dOut[0]);
        long upAddress = kept(call, "up", kept.up(), x, n, m.dOut[0]);
        long gateHAddress = call.matrixOrNull("gateH", kept.gateH(), n, m.r[0], F32);
        long upHAddress = call.matrixOrNull("upH", kept.upH(), n, m.r[1], F32);
        long xAddress = call.address("x", x, F32_OR_BF16);
        synchronized (workspace) {
            long bytes = api.linearGluForwardWorkspaceBytes(n, dIn, m.dOut[0], m.r[0], m.r[1], code(x));
            api.linearGluForward(yAddress, gateAddress, upAddress, gateHAddress, upHAddress, xAddress, m.weights[0], m.weights[1], m.loraAs[0],
                m.loraBs[0], m.loraAs[1], m.loraBs[1], n, dIn, m.dOut[0], m.r[0], m.r[1], m.scale[0], m.scale[1], activation.abiCode(), code(x), workspace.atLeast(bytes), bytes);
        }
    }

    private static long kept(Call call, String name, @Nullable Tensor tensor, Tensor x, long n, long dOut) {
        if (tensor != null) {
            call.sameType(name, tensor, "x", x);
        }
        return call.matrixOrNull(name, tensor, n, dOut, F32_OR_BF16);
    }

    void residualNormForward(Call call, Tensor out, Tensor y, Tensor x, @Nullable Tensor xWeight, Tensor residual, Tensor yWeight, float eps,
        float weightOffset) {
        long rows = call.rows("x", x);
        long d = call.cols("x", x);
        api.residualNormForward(call.matrix("out", out, rows, d, F32), call.matrix("y", y, rows, d, F32_OR_BF16), call.address("x", x, F32),
            call.elementsOrNull("xWeight", xWeight, d, F32), call.matrix("residual", residual, rows, d, F32),
            call.elements("yWeight", yWeight, d, F32), rows, d, eps, weightOffset, code(y));
    }

    void ropeAppend(Call call, Tensor q, Tensor keys, Tensor values, Tensor kSegment, Tensor k, Tensor v, Tensor table, Tensor qSegment,
        Tensor keyPosition) {
        Cache cache = new Cache(call, q, keys, values, kSegment, qSegment, keyPosition);
        call.require(cache.headDim % 2 == 0, "q has shape " + q.shape() + ", expected an even head_dim");
        call.sameType("k", k, "q", q);
        call.sameType("v", v, "q", q);
        long row = cache.batch * cache.nKvHeads * cache.headDim;
        api.ropeAppend(cache.q, cache.keys, cache.values, cache.kSegment, call.elements("k", k, row, F32_OR_BF16),
            call.elements("v", v, row, F32_OR_BF16), call.exact("table", table, F32, cache.batch, cache.headDim / 2, 2), cache.qSegment,
            cache.keyPosition, cache.batch, cache.capacity, cache.nHeads, cache.nKvHeads, cache.headDim, code(q));
    }

    void attentionDecode(Call call, Tensor out, Tensor q, Tensor keys, Tensor values, Tensor qSegment, Tensor kSegment, Tensor keyPosition,
        long window, float scale, float softcap) {
        Cache c = new Cache(call, q, keys, values, kSegment, qSegment, keyPosition);
        call.require(window >= 0, "window is " + window + ", expected 0 (all keys) or more");
        call.require(softcap >= 0, "softcap is " + softcap + ", expected 0 (none) or more");
        call.sameType("out", out, "q", q);
        long outAddress = call.like("out", out, "q", q, F32_OR_BF16);
        synchronized (workspace) {
            long bytes = api.attentionDecodeWorkspaceBytes(c.batch, c.capacity, c.nHeads, c.nKvHeads, c.headDim, window, code(q));
            api.attentionDecode(outAddress, c.q, c.keys, c.values, c.qSegment, c.kSegment, c.keyPosition, c.batch, c.capacity, c.nHeads,
                c.nKvHeads, c.headDim, window, scale, softcap, code(q), workspace.atLeast(bytes), bytes);
        }
    }

    /** A key/value cache and the queries over it, checked. */
    private static final class Cache {
        private final long batch;
        private final long capacity;
        private final long nHeads;
        private final long nKvHeads;
        private final long headDim;
        private final long q;
        private final long keys;
        private final long values;
        private final long kSegment;
        private final long qSegment;
        private final long keyPosition;

        Cache(Call call, Tensor q, Tensor keys, Tensor values, Tensor kSegment, Tensor qSegment, Tensor keyPosition) {
            call.require(q.shape().rank() == 3, "q has shape " + q.shape() + ", expected [batch, n_heads, head_dim]");
            call.require(keys.shape().rank() == 4, "keys has shape " + keys.shape() + ", expected [batch, capacity, n_kv_heads, head_dim]");
            batch = q.dim(0);
            nHeads = q.dim(1);
            headDim = q.dim(2);
            capacity = keys.dim(1);
            nKvHeads = keys.dim(2);
            call.require(nKvHeads > 0 && nHeads % nKvHeads == 0, nHeads + " query heads cannot be grouped over " + nKvHeads + " key/value heads");
            call.require(keys.dim(0) == batch && keys.dim(3) == headDim, "keys has shape " + keys.shape() + ", which does not fit q of shape " + q.shape());
            call.require(values.shape().equals(keys.shape()), "values has shape " + values.shape() + ", expected that of keys, " + keys.shape());
            call.sameType("keys", keys, "q", q);
            call.sameType("values", values, "q", q);
            this.q = call.address("q", q, F32_OR_BF16);
            this.keys = call.address("keys", keys, F32_OR_BF16);
            this.values = call.address("values", values, F32_OR_BF16);
            this.kSegment = call.exact("kSegment", kSegment, I32, batch, capacity);
            this.qSegment = call.elements("qSegment", qSegment, batch, I32);
            this.keyPosition = call.elements("keyPosition", keyPosition, 1, I32);
        }
    }

    void decodeAdvance(Call call, Tensor history, Tensor positions, Tensor keyPosition, Tensor step, Tensor ids) {
        long batch = ids.numel();
        long steps = call.rows("history", history);
        api.decodeAdvance(call.matrix("history", history, steps, batch, I32), call.elements("positions", positions, batch, I32),
            call.elements("keyPosition", keyPosition, 1, I32), call.elements("step", step, 1, I32), call.address("ids", ids, I32), batch, steps);
    }
}
