package io.sails4j.ffi;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.function.ToIntFunction;
import org.jspecify.annotations.Nullable;

/**
 * One open handle of a backend library, and the operations of {@code sails.h} on it. Device pointers are {@code long} addresses;
 * shapes, types and contracts are those of the header. A call that fails throws {@link NativeException} with the library's sentence.
 *
 * <p>The methods are synchronized: the error text that is fetched belongs to the call that failed, and {@link #close()} waits for a
 * call that is under way. A call after it throws {@link IllegalStateException}; it never reaches the library.
 */
public final class NativeDevice {
    private static final int TEXT_BYTES = 16 << 10;
    private static final int STAGING_BYTES = 1 << 20;

    private final NativeLibrary library;
    private final SailsH api;
    private final Arena arena = Arena.ofShared();
    /** Native memory through which Java arrays pass: an ordinary downcall cannot read the heap, and a critical one must not wait. */
    private final MemorySegment staging = arena.allocate(STAGING_BYTES, 64);
    private @Nullable MemorySegment handle;
    private long calls;
    private long waits;
    private long allocations;

    private NativeDevice(NativeLibrary library) {
        this.library = library;
        this.api = library.api();
    }

    /**
     * Opens a device of a library.
     *
     * @param libraryName {@code sails_cpu}, {@code sails_cuda} or {@code sails_emulator}
     * @param ordinal which device, 0 on the CPU
     * @param threads number of threads, 0 = as many as the process may use
     * @param options {@code key=value,...} or empty
     */
    public static NativeDevice open(String libraryName, int ordinal, int threads, String options) {
        NativeDevice device = new NativeDevice(NativeLibrary.open(libraryName));
        try {
            device.open(ordinal, threads, options);
            return device;
        } finally {
            if (!device.isOpen()) {
                device.arena.close();
            }
        }
    }

    private synchronized void open(int ordinal, int threads, String options) {
        try (Arena call = Arena.ofConfined()) {
            MemorySegment out = call.allocate(ADDRESS);
            MemorySegment error = call.allocate(TEXT_BYTES);
            int status = api.deviceOpen(out, ordinal, threads, call.allocateFrom(options), error, TEXT_BYTES);
            if (status != 0) {
                throw new NativeException("sails_device_open", status, text(error));
            }
            handle = out.get(ADDRESS, 0);
        }
    }

    private MemorySegment handle() {
        if (handle == null) {
            throw new IllegalStateException("the device is closed");
        }
        return handle;
    }

    private void check(String function, int status) {
        calls++;
        if (status == 0) {
            return;
        }
        try (Arena call = Arena.ofConfined()) {
            MemorySegment text = call.allocate(TEXT_BYTES);
            int told = api.deviceError(handle(), text, TEXT_BYTES);
            throw new NativeException(function, status, told == 0 ? text(text) : "the library gives no reason");
        }
    }

    private static String text(MemorySegment segment) {
        return segment.getString(0, StandardCharsets.UTF_8);
    }

    private long size(String function, ToIntFunction<MemorySegment> body) {
        try (Arena call = Arena.ofConfined()) {
            MemorySegment out = call.allocate(JAVA_LONG);
            check(function, body.applyAsInt(out));
            return out.get(JAVA_LONG, 0);
        }
    }

    public synchronized boolean isOpen() {
        return handle != null;
    }

    /** The library's file. */
    public NativeLibrary library() {
        return library;
    }

    /** Closes the handle; a second call does nothing. */
    public synchronized void close() {
        if (handle == null) {
            return;
        }
        MemorySegment open = handle;
        handle = null;
        arena.close();
        int status = api.deviceClose(open);
        if (status != 0) {
            throw new NativeException("sails_device_close", status, "the device did not close cleanly");
        }
    }

    /** Whether host memory can be passed as a device pointer. */
    public synchronized boolean hostAccessible() {
        try (Arena call = Arena.ofConfined()) {
            MemorySegment out = call.allocate(JAVA_INT);
            check("sails_device_host_accessible", api.deviceHostAccessible(handle(), out));
            return out.get(JAVA_INT, 0) != 0;
        }
    }

    /** One JSON object: backend, name, isa, threads, matmul. */
    public synchronized String describe() {
        try (Arena call = Arena.ofConfined()) {
            MemorySegment text = call.allocate(TEXT_BYTES);
            check("sails_device_describe", api.deviceDescribe(handle(), text, TEXT_BYTES));
            return text(text);
        }
    }

    /** Bytes allocated now, and at most so far. */
    public synchronized long[] memory() {
        try (Arena call = Arena.ofConfined()) {
            MemorySegment out = call.allocate(JAVA_LONG, 2);
            check("sails_device_memory", api.deviceMemory(handle(), out.asSlice(0, 8), out.asSlice(8, 8)));
            return out.toArray(JAVA_LONG);
        }
    }

    // ---------------------------------------------------------------- memory

    /** 64-byte aligned device memory with undefined contents; 0 for 0 bytes. */
    public synchronized long alloc(long bytes) {
        allocations++;
        try (Arena call = Arena.ofConfined()) {
            MemorySegment out = call.allocate(ADDRESS);
            check("sails_alloc", api.alloc(handle(), out, bytes));
            return out.get(ADDRESS, 0).address();
        }
    }

    /** Calls of the library so far. */
    public synchronized long calls() {
        return calls;
    }

    /** Calls so far that waited for the device. */
    public synchronized long waits() {
        return waits;
    }

    /** Allocations so far. */
    public synchronized long allocations() {
        return allocations;
    }

    public synchronized void free(long pointer) {
        check("sails_free", api.free(handle(), pointer));
    }

    /** Copies a segment, of Java's heap or native, to the device; waits. */
    public synchronized void upload(long destination, MemorySegment source) {
        if (source.isNative()) {
            check("sails_upload", api.upload(handle(), destination, source, source.byteSize()));
            return;
        }
        for (long done = 0; done < source.byteSize(); done += STAGING_BYTES) {
            long bytes = Math.min(STAGING_BYTES, source.byteSize() - done);
            MemorySegment open = handle();
            MemorySegment.copy(source, done, staging, 0, bytes);
            check("sails_upload", api.upload(open, destination + done, staging, bytes));
        }
    }

    /** Waits for queued work and copies device memory to a segment, of Java's heap or native. */
    public synchronized void download(MemorySegment destination, long source) {
        if (destination.isReadOnly()) {
            throw new IllegalArgumentException("cannot download into a read-only segment");
        }
        waits++;
        if (destination.isNative()) {
            check("sails_download", api.download(handle(), destination, source, destination.byteSize()));
            return;
        }
        for (long done = 0; done < destination.byteSize(); done += STAGING_BYTES) {
            long bytes = Math.min(STAGING_BYTES, destination.byteSize() - done);
            check("sails_download", api.download(handle(), staging, source + done, bytes));
            MemorySegment.copy(staging, 0, destination, done, bytes);
        }
    }

    /** Device to device. */
    public synchronized void copy(long destination, long source, long bytes) {
        check("sails_copy", api.copy(handle(), destination, source, bytes));
    }

    public synchronized void fillZero(long destination, long bytes) {
        check("sails_fill_zero", api.fillZero(handle(), destination, bytes));
    }

    /** Waits for all queued work. */
    public synchronized void synchronize() {
        waits++;
        check("sails_synchronize", api.synchronize(handle()));
    }

    /** From here on the operations are recorded and not run, until {@link #graphEnd}. */
    public synchronized void graphBegin() {
        check("sails_graph_begin", api.graphBegin(handle()));
    }

    /** The recorded operations, to be given to {@link #graphLaunch} and at last to {@link #graphClose}. */
    public synchronized long graphEnd() {
        try (Arena call = Arena.ofConfined()) {
            MemorySegment out = call.allocate(ADDRESS);
            check("sails_graph_end", api.graphEnd(handle(), out));
            return out.get(ADDRESS, 0).address();
        }
    }

    public synchronized void graphLaunch(long graph) {
        check("sails_graph_launch", api.graphLaunch(handle(), MemorySegment.ofAddress(graph)));
    }

    public synchronized void graphClose(long graph) {
        check("sails_graph_close", api.graphClose(handle(), MemorySegment.ofAddress(graph)));
    }

    // ---------------------------------------------------------------- operations, as in sails.h

    public synchronized void convert(long destination, long source, long n, int destinationDtype, int sourceDtype) {
        check("sails_convert", api.convert(handle(), destination, source, n, destinationDtype, sourceDtype));
    }

    public synchronized void axpby(long y, long x, long n, float alpha, float beta, int xDtype) {
        check("sails_axpby", api.axpby(handle(), y, x, n, alpha, beta, xDtype));
    }

    public synchronized void addRow(long y, long x, long row, long nRows, long nCols, float alpha, int xDtype) {
        check("sails_add_row", api.addRow(handle(), y, x, row, nRows, nCols, alpha, xDtype));
    }

    public synchronized void gatherRows(long y, long x, long rows, long n, long nRows, long nCols, int dtype) {
        check("sails_gather_rows", api.gatherRows(handle(), y, x, rows, n, nRows, nCols, dtype));
    }

    public synchronized void countNonfinite(long outCount, long x, long n, int dtype) {
        check("sails_count_nonfinite", api.countNonfinite(handle(), outCount, x, n, dtype));
    }

    public synchronized long matmulWorkspaceBytes(long m, long n, long k, int cDtype, int abDtype, int transposeA,
        int transposeB) {
        return size("sails_matmul_workspace_bytes", out -> api.matmulWorkspaceBytes(handle(), out, m, n, k, cDtype, abDtype,
            transposeA, transposeB));
    }

    public synchronized void matmul(long c, long a, long b, long m, long n, long k, long ldc, long lda, long ldb, int cDtype,
        int abDtype, int transposeA, int transposeB, float alpha, float beta, long workspace, long workspaceBytes) {
        check("sails_matmul", api.matmul(handle(), c, a, b, m, n, k, ldc, lda, ldb, cDtype, abDtype, transposeA, transposeB,
            alpha, beta, workspace, workspaceBytes));
    }

    public synchronized void embeddingForward(long y, long ids, long table, long nTokens, long vocab, long dModel, float scale,
        int yDtype, int tableDtype) {
        check("sails_embedding_forward", api.embeddingForward(handle(), y, ids, table, nTokens, vocab, dModel, scale, yDtype,
            tableDtype));
    }

    public synchronized void embeddingBackward(long dtable, long dy, long ids, long nTokens, long vocab, long dModel,
        float scale) {
        check("sails_embedding_backward", api.embeddingBackward(handle(), dtable, dy, ids, nTokens, vocab, dModel, scale));
    }

    public synchronized void rmsnormForward(long y, long rstd, long x, long weight, long residual, long nRows, long d, float eps,
        float weightOffset, int yDtype, int xDtype) {
        check("sails_rmsnorm_forward", api.rmsnormForward(handle(), y, rstd, x, weight, residual, nRows, d, eps, weightOffset, yDtype,
            xDtype));
    }

    public synchronized long rmsnormBackwardWorkspaceBytes(long nRows, long d) {
        return size("sails_rmsnorm_backward_workspace_bytes", out -> api.rmsnormBackwardWorkspaceBytes(handle(), out, nRows, d));
    }

    public synchronized void rmsnormBackward(long dx, long dweight, long dy, long x, long weight, long rstd, long nRows, long d,
        float weightOffset, int accumulateDx, int dyDtype, int xDtype, long workspace, long workspaceBytes) {
        check("sails_rmsnorm_backward", api.rmsnormBackward(handle(), dx, dweight, dy, x, weight, rstd, nRows, d, weightOffset,
            accumulateDx, dyDtype, xDtype, workspace, workspaceBytes));
    }

    public synchronized void ropeTable(long table, long positions, long invFreq, long nTokens, long headDim) {
        check("sails_rope_table", api.ropeTable(handle(), table, positions, invFreq, nTokens, headDim));
    }

    public synchronized void rope(long y, long x, long table, long nTokens, long nHeads, long headDim, int inverse, int dtype) {
        check("sails_rope", api.rope(handle(), y, x, table, nTokens, nHeads, headDim, inverse, dtype));
    }

    public synchronized long attentionForwardWorkspaceBytes(long batch, long nQueries, long nKeys, long nHeads, long nKvHeads,
        long headDim, int dtype) {
        return size("sails_attention_forward_workspace_bytes", out -> api.attentionForwardWorkspaceBytes(handle(), out, batch,
            nQueries, nKeys, nHeads, nKvHeads, headDim, dtype));
    }

    public synchronized void attentionForward(long out, long lse, long q, long k, long v, long qSegment, long kSegment,
        long batch, long nQueries, long nKeys, long nHeads, long nKvHeads, long headDim, long kvBatchStride, long queryOffset,
        long window, float scale, float softcap, int dtype, long workspace, long workspaceBytes) {
        check("sails_attention_forward", api.attentionForward(handle(), out, lse, q, k, v, qSegment, kSegment, batch, nQueries,
            nKeys, nHeads, nKvHeads, headDim, kvBatchStride, queryOffset, window, scale, softcap, dtype, workspace,
            workspaceBytes));
    }

    public synchronized long attentionBackwardWorkspaceBytes(long batch, long nQueries, long nKeys, long nHeads, long nKvHeads,
        long headDim, int dtype) {
        return size("sails_attention_backward_workspace_bytes", out -> api.attentionBackwardWorkspaceBytes(handle(), out, batch,
            nQueries, nKeys, nHeads, nKvHeads, headDim, dtype));
    }

    public synchronized void attentionBackward(long dq, long dk, long dv, long dout, long q, long k, long v, long out, long lse,
        long qSegment, long kSegment, long batch, long nQueries, long nKeys, long nHeads, long nKvHeads, long headDim,
        long kvBatchStride, long queryOffset, long window, float scale, float softcap, int dtype, long workspace,
        long workspaceBytes) {
        check("sails_attention_backward", api.attentionBackward(handle(), dq, dk, dv, dout, q, k, v, out, lse, qSegment, kSegment,
            batch, nQueries, nKeys, nHeads, nKvHeads, headDim, kvBatchStride, queryOffset, window, scale, softcap, dtype,
            workspace, workspaceBytes));
    }

    public synchronized void gluForward(long y, long gate, long up, long n, int activation, int dtype) {
        check("sails_glu_forward", api.gluForward(handle(), y, gate, up, n, activation, dtype));
    }

    public synchronized void gluBackward(long dgate, long dup, long dy, long gate, long up, long n, int activation, int dtype) {
        check("sails_glu_backward", api.gluBackward(handle(), dgate, dup, dy, gate, up, n, activation, dtype));
    }

    public synchronized void softcapForward(long y, long x, long n, float cap) {
        check("sails_softcap_forward", api.softcapForward(handle(), y, x, n, cap));
    }

    public synchronized void softcapBackward(long dx, long dy, long y, long n, float cap) {
        check("sails_softcap_backward", api.softcapBackward(handle(), dx, dy, y, n, cap));
    }

    public synchronized void crossEntropy(long tokenLoss, long dlogits, long logits, long targets, long tokenWeight, long nTokens,
        long vocab) {
        check("sails_cross_entropy", api.crossEntropy(handle(), tokenLoss, dlogits, logits, targets, tokenWeight, nTokens,
            vocab));
    }

    public synchronized long headLossWorkspaceBytes(long nTokens, long dModel, long vocab, int dtype) {
        return size("sails_head_loss_workspace_bytes", out -> api.headLossWorkspaceBytes(handle(), out, nTokens, dModel, vocab,
            dtype));
    }

    public synchronized void headLoss(long tokenLoss, long dhidden, long dembed, long hidden, long embed, long targets,
        long tokenWeight, long nTokens, long dModel, long vocab, float softcap, int dtype, long workspace, long workspaceBytes) {
        check("sails_head_loss", api.headLoss(handle(), tokenLoss, dhidden, dembed, hidden, embed, targets, tokenWeight, nTokens,
            dModel, vocab, softcap, dtype, workspace, workspaceBytes));
    }

    public synchronized void preferenceLoss(long results, long tokenWeight, long tokenLoss, long targets, long starts, long ends,
        long reference, long nPairs, long nTokens, int kind, double strength, double lossScale) {
        check("sails_preference_loss", api.preferenceLoss(handle(), results, tokenWeight, tokenLoss, targets, starts, ends,
            reference, nPairs, nTokens, kind, strength, lossScale));
    }

    public synchronized long sampleWorkspaceBytes(long nRows, long vocab) {
        return size("sails_sample_workspace_bytes", out -> api.sampleWorkspaceBytes(handle(), out, nRows, vocab));
    }

    public synchronized void sample(long ids, long logits, long uniform, long nRows, long vocab, float temperature, long topK,
        float topP, long workspace, long workspaceBytes) {
        check("sails_sample", api.sample(handle(), ids, logits, uniform, nRows, vocab, temperature, topK, topP, workspace,
            workspaceBytes));
    }

    public synchronized long loraForwardWorkspaceBytes(long n, long dIn, long dOut, long r) {
        return size("sails_lora_forward_workspace_bytes", out -> api.loraForwardWorkspaceBytes(handle(), out, n, dIn, dOut, r));
    }

    public synchronized void loraForward(long y, long h, long x, long loraA, long loraB, long n, long dIn, long dOut, long r,
        float scale, int yDtype, int xDtype, long workspace, long workspaceBytes) {
        check("sails_lora_forward", api.loraForward(handle(), y, h, x, loraA, loraB, n, dIn, dOut, r, scale, yDtype, xDtype,
            workspace, workspaceBytes));
    }

    public synchronized long loraBackwardWorkspaceBytes(long n, long dIn, long dOut, long r) {
        return size("sails_lora_backward_workspace_bytes", out -> api.loraBackwardWorkspaceBytes(handle(), out, n, dIn, dOut, r));
    }

    public synchronized void loraBackward(long dx, long dloraA, long dloraB, long dy, long x, long h, long loraA, long loraB,
        long n, long dIn, long dOut, long r, float scale, int dyDtype, int xDtype, long workspace, long workspaceBytes) {
        check("sails_lora_backward", api.loraBackward(handle(), dx, dloraA, dloraB, dy, x, h, loraA, loraB, n, dIn, dOut, r,
            scale, dyDtype, xDtype, workspace, workspaceBytes));
    }

    public synchronized long linearForwardWorkspaceBytes(long n, long dIn, long dOut, long r, int yDtype, int dtype) {
        return size("sails_linear_forward_workspace_bytes", out -> api.linearForwardWorkspaceBytes(handle(), out, n, dIn, dOut, r,
            yDtype, dtype));
    }

    public synchronized void linearForward(long y, long h, long x, long weight, long bias, long residual, long loraA, long loraB,
        long n, long dIn, long dOut, long r, float scale, int yDtype, int dtype, long workspace, long workspaceBytes) {
        check("sails_linear_forward", api.linearForward(handle(), y, h, x, weight, bias, residual, loraA, loraB, n, dIn, dOut, r,
            scale, yDtype, dtype, workspace, workspaceBytes));
    }

    public synchronized long linearBackwardWorkspaceBytes(long n, long dIn, long dOut, long r, int dtype) {
        return size("sails_linear_backward_workspace_bytes", out -> api.linearBackwardWorkspaceBytes(handle(), out, n, dIn, dOut, r,
            dtype));
    }

    public synchronized void linearBackward(long dx, long dloraA, long dloraB, long dy, long x, long weight, long h, long loraA,
        long loraB, long n, long dIn, long dOut, long r, float scale, int accumulateDx, int dtype, long workspace, long
        workspaceBytes) {
        check("sails_linear_backward", api.linearBackward(handle(), dx, dloraA, dloraB, dy, x, weight, h, loraA, loraB, n, dIn,
            dOut, r, scale, accumulateDx, dtype, workspace, workspaceBytes));
    }

    public synchronized long linearSetForwardWorkspaceBytes(long[] dOut, long[] r, long n, long dIn, int yDtype, int dtype) {
        requireSameLength(dOut, r);
        try (Arena call = Arena.ofConfined()) {
            return size("sails_linear_set_forward_workspace_bytes", out -> api.linearSetForwardWorkspaceBytes(handle(), out,
                call.allocateFrom(JAVA_LONG, dOut), call.allocateFrom(JAVA_LONG, r), r.length, n, dIn, yDtype, dtype));
        }
    }

    public synchronized void linearSetForward(long[] ys, long x, long[] weights, long[] loraAs, long[] loraBs, long[] dOut, long[] r,
        float[] scale, long n, long dIn, int yDtype, int dtype, long workspace, long workspaceBytes) {
        requireSameLength(ys, weights, loraAs, loraBs, dOut, r, new long[scale.length]);
        try (Arena call = Arena.ofConfined()) {
            check("sails_linear_set_forward", api.linearSetForward(handle(), call.allocateFrom(JAVA_LONG, ys), x,
                call.allocateFrom(JAVA_LONG, weights), call.allocateFrom(JAVA_LONG, loraAs), call.allocateFrom(JAVA_LONG, loraBs),
                call.allocateFrom(JAVA_LONG, dOut), call.allocateFrom(JAVA_LONG, r), call.allocateFrom(JAVA_FLOAT, scale), ys.length, n,
                dIn, yDtype, dtype, workspace, workspaceBytes));
        }
    }

    public synchronized long linearGluForwardWorkspaceBytes(long n, long dIn, long dOut, long gateR, long upR, int dtype) {
        return size("sails_linear_glu_forward_workspace_bytes", out -> api.linearGluForwardWorkspaceBytes(handle(), out, n, dIn,
            dOut, gateR, upR, dtype));
    }

    public synchronized void linearGluForward(long y, long gate, long up, long gateH, long upH, long x, long gateWeight,
        long upWeight, long gateLoraA, long gateLoraB, long upLoraA, long upLoraB, long n, long dIn, long dOut, long gateR, long upR, float gateScale, float upScale,
        int activation, int dtype, long workspace, long workspaceBytes) {
        check("sails_linear_glu_forward", api.linearGluForward(handle(), y, gate, up, gateH, upH, x, gateWeight, upWeight,
            gateLoraA, gateLoraB, upLoraA, upLoraB, n, dIn, dOut, gateR, upR, gateScale, upScale, activation, dtype, workspace, workspaceBytes));
    }

    public synchronized void residualNormForward(long out, long y, long x, long xWeight, long residual, long yWeight,
        long nRows, long d, float eps, float weightOffset, int yDtype) {
        check("sails_residual_norm_forward", api.residualNormForward(handle(), out, y, x, xWeight, residual, yWeight, nRows, d,
            eps, weightOffset, yDtype));
    }

    public synchronized void ropeAppend(long q, long keys, long values, long kSegment, long k, long v, long table,
        long qSegment, long keyPosition, long batch, long capacity, long nHeads, long nKvHeads, long headDim, int dtype) {
        check("sails_rope_append", api.ropeAppend(handle(), q, keys, values, kSegment, k, v, table, qSegment, keyPosition,
            batch, capacity, nHeads, nKvHeads, headDim, dtype));
    }

    public synchronized long attentionDecodeWorkspaceBytes(long batch, long capacity, long nHeads, long nKvHeads, long headDim,
        long window, int dtype) {
        return size("sails_attention_decode_workspace_bytes", out -> api.attentionDecodeWorkspaceBytes(handle(), out, batch,
            capacity, nHeads, nKvHeads, headDim, window, dtype));
    }

    public synchronized void attentionDecode(long out, long q, long keys, long values, long qSegment, long kSegment,
        long keyPosition, long batch, long capacity, long nHeads, long nKvHeads, long headDim, long window, float scale,
        float softcap, int dtype, long workspace, long workspaceBytes) {
        check("sails_attention_decode", api.attentionDecode(handle(), out, q, keys, values, qSegment, kSegment, keyPosition,
            batch, capacity, nHeads, nKvHeads, headDim, window, scale, softcap, dtype, workspace, workspaceBytes));
    }

    public synchronized void decodeAdvance(long history, long positions, long keyPosition, long step, long ids, long batch,
        long nSteps) {
        check("sails_decode_advance", api.decodeAdvance(handle(), history, positions, keyPosition, step, ids, batch, nSteps));
    }

    public synchronized long projectWorkspaceBytes(long d, long rS, long n) {
        return size("sails_project_workspace_bytes", out -> api.projectWorkspaceBytes(handle(), out, d, rS, n));
    }

    public synchronized void project(long y, long g, long basis, long d, long rS, long n, int right, long workspace,
        long workspaceBytes) {
        check("sails_project", api.project(handle(), y, g, basis, d, rS, n, right, workspace, workspaceBytes));
    }

    public synchronized long saeEncodeWorkspaceBytes(long nTokens, long dIn, long dSae, int activation, long k, int dtype) {
        return size("sails_sae_encode_workspace_bytes", out -> api.saeEncodeWorkspaceBytes(handle(), out, nTokens, dIn, dSae,
            activation, k, dtype));
    }

    public synchronized void saeEncode(long indices, long values, long counts, long x, long wEnc, long bias, long threshold,
        long scale, long gateBias, long nTokens, long dIn, long dSae, long capacity, int activation, long k, int dtype,
        long workspace, long workspaceBytes) {
        check("sails_sae_encode", api.saeEncode(handle(), indices, values, counts, x, wEnc, bias, threshold, scale, gateBias,
            nTokens, dIn, dSae, capacity, activation, k, dtype, workspace, workspaceBytes));
    }

    public synchronized void saeEncodeBackward(long dx, long dvalues, long indices, long counts, long wEnc, long scale,
        long nTokens, long dIn, long dSae, long capacity, int dtype) {
        check("sails_sae_encode_backward", api.saeEncodeBackward(handle(), dx, dvalues, indices, counts, wEnc, scale, nTokens,
            dIn, dSae, capacity, dtype));
    }

    public synchronized void saeDecode(long recon, long indices, long values, long counts, long wDec, long bias, long scale,
        long nTokens, long dIn, long dSae, long capacity, int dtype) {
        check("sails_sae_decode", api.saeDecode(handle(), recon, indices, values, counts, wDec, bias, scale, nTokens, dIn, dSae,
            capacity, dtype));
    }

    public synchronized void saeDecodeBackward(long dvalues, long drecon, long indices, long counts, long wDec, long scale,
        long nTokens, long dIn, long dSae, long capacity, int dtype) {
        check("sails_sae_decode_backward", api.saeDecodeBackward(handle(), dvalues, drecon, indices, counts, wDec, scale, nTokens,
            dIn, dSae, capacity, dtype));
    }

    public synchronized void saeDensify(long acts, long indices, long values, long counts, long nTokens, long dSae,
        long capacity) {
        check("sails_sae_densify", api.saeDensify(handle(), acts, indices, values, counts, nTokens, dSae, capacity));
    }

    public synchronized void saeAccumulate(long sum, long active, long indices, long values, long counts, long tokenClass,
        long tokenWeight, long nTokens, long dSae, long capacity, long nClasses) {
        check("sails_sae_accumulate", api.saeAccumulate(handle(), sum, active, indices, values, counts, tokenClass, tokenWeight,
            nTokens, dSae, capacity, nClasses));
    }

    public synchronized long saeStatisticsWorkspaceBytes(long nTokens, long dIn, long dSae, long nClasses, int activation, int
        dtype) {
        return size("sails_sae_statistics_workspace_bytes", out -> api.saeStatisticsWorkspaceBytes(handle(), out, nTokens, dIn,
            dSae, nClasses, activation, dtype));
    }

    public synchronized void saeStatistics(long sum, long sumSquares, long active, long x, long wEnc, long bias, long threshold,
        long scale, long gateBias, long tokenClass, long tokenWeight, long nTokens, long dIn, long dSae, long nClasses, int
        activation, int dtype, long workspace, long workspaceBytes) {
        check("sails_sae_statistics", api.saeStatistics(handle(), sum, sumSquares, active, x, wEnc, bias, threshold, scale,
            gateBias, tokenClass, tokenWeight, nTokens, dIn, dSae, nClasses, activation, dtype, workspace, workspaceBytes));
    }

    public synchronized void standardizeForward(long y, long mean, long std, long x, long nRows, long nCols, float eps) {
        check("sails_standardize_forward", api.standardizeForward(handle(), y, mean, std, x, nRows, nCols, eps));
    }

    public synchronized void standardizeBackward(long dx, long dy, long dmean, long dstd, long x, long mean, long std, long nRows,
        long nCols, float eps) {
        check("sails_standardize_backward", api.standardizeBackward(handle(), dx, dy, dmean, dstd, x, mean, std, nRows, nCols,
            eps));
    }

    public synchronized void unstandardizeForward(long y, long x, long mean, long std, long nRows, long nCols) {
        check("sails_unstandardize_forward", api.unstandardizeForward(handle(), y, x, mean, std, nRows, nCols));
    }

    public synchronized void unstandardizeBackward(long dx, long dmean, long dstd, long dy, long x, long std, long nRows,
        long nCols) {
        check("sails_unstandardize_backward", api.unstandardizeBackward(handle(), dx, dmean, dstd, dy, x, std, nRows, nCols));
    }

    /** {@code outSums} on the device; the tensors' addresses and sizes one by one. */
    public synchronized void sumOfSquares(long outSums, long[] tensors, long[] sizes) {
        requireSameLength(tensors, sizes);
        try (Arena call = Arena.ofConfined()) {
            check("sails_sum_of_squares", api.sumOfSquares(handle(), outSums, call.allocateFrom(JAVA_LONG, tensors),
                call.allocateFrom(JAVA_LONG, sizes), tensors.length));
        }
    }

    public synchronized void adamwRates(long rates, long step, double gradScale, double lr, double beta1, double beta2, double eps,
        double weightDecay) {
        check("sails_adamw_rates", api.adamwRates(handle(), rates, step, gradScale, lr, beta1, beta2, eps, weightDecay));
    }

    /** One AdamW step on all tensors at once, given by address and size. */
    public synchronized void adamw(long[] params, long[] m, long[] v, long[] grads, long rates, long[] sizes) {
        requireSameLength(params, m, v, grads, sizes);
        try (Arena call = Arena.ofConfined()) {
            check("sails_adamw", api.adamw(handle(), call.allocateFrom(JAVA_LONG, params), call.allocateFrom(JAVA_LONG, m),
                call.allocateFrom(JAVA_LONG, v), call.allocateFrom(JAVA_LONG, grads), rates, call.allocateFrom(JAVA_LONG, sizes),
                params.length));
        }
    }

    /** Of matrices {@code d[i]} x {@code n[i]} and bases of {@code rS[i]} columns. */
    public synchronized long projectSetWorkspaceBytes(long[] d, long[] rS, long[] n) {
        requireSameLength(d, rS, n);
        try (Arena call = Arena.ofConfined()) {
            return size("sails_project_set_workspace_bytes", out -> api.projectSetWorkspaceBytes(handle(), out,
                call.allocateFrom(JAVA_LONG, d), call.allocateFrom(JAVA_LONG, rS), call.allocateFrom(JAVA_LONG, n), d.length));
        }
    }

    public synchronized void projectSet(long[] ys, long[] gs, long[] bases, long[] d, long[] rS, long[] n, int[] right, long workspace,
        long workspaceBytes) {
        requireSameLength(ys, gs, bases, d, rS, n, new long[right.length]);
        try (Arena call = Arena.ofConfined()) {
            check("sails_project_set", api.projectSet(handle(), call.allocateFrom(JAVA_LONG, ys), call.allocateFrom(JAVA_LONG, gs),
                call.allocateFrom(JAVA_LONG, bases), call.allocateFrom(JAVA_LONG, d), call.allocateFrom(JAVA_LONG, rS),
                call.allocateFrom(JAVA_LONG, n), call.allocateFrom(JAVA_INT, right), ys.length, workspace, workspaceBytes));
        }
    }

    public synchronized long adamwProjectedWorkspaceBytes(long[] d, long[] rS, long[] n) {
        requireSameLength(d, rS, n);
        try (Arena call = Arena.ofConfined()) {
            return size("sails_adamw_projected_workspace_bytes", out -> api.adamwProjectedWorkspaceBytes(handle(), out,
                call.allocateFrom(JAVA_LONG, d), call.allocateFrom(JAVA_LONG, rS), call.allocateFrom(JAVA_LONG, n), d.length));
        }
    }

    public synchronized void adamwProjected(long[] params, long[] m, long[] v, long[] grads, long[] bases, long rates, long[] d, long[] rS,
        long[] n, int[] right, int projection, long workspace, long workspaceBytes) {
        requireSameLength(params, m, v, grads, bases, d, rS, n, new long[right.length]);
        try (Arena call = Arena.ofConfined()) {
            check("sails_adamw_projected", api.adamwProjected(handle(), call.allocateFrom(JAVA_LONG, params),
                call.allocateFrom(JAVA_LONG, m), call.allocateFrom(JAVA_LONG, v), call.allocateFrom(JAVA_LONG, grads),
                call.allocateFrom(JAVA_LONG, bases), rates, call.allocateFrom(JAVA_LONG, d), call.allocateFrom(JAVA_LONG, rS),
                call.allocateFrom(JAVA_LONG, n), call.allocateFrom(JAVA_INT, right), params.length, projection, workspace, workspaceBytes));
        }
    }

    /** One AdamW step with moments in 8 bits, on all tensors at once. */
    public synchronized void adamw8bit(long[] params, long[] m, long[] v, long[] mAbsmax, long[] vAbsmax, long[] grads, long mCode, long vCode,
        long rates, long[] sizes) {
        requireSameLength(params, m, v, mAbsmax, vAbsmax, grads, sizes);
        try (Arena call = Arena.ofConfined()) {
            check("sails_adamw_8bit", api.adamw8bit(handle(), call.allocateFrom(JAVA_LONG, params), call.allocateFrom(JAVA_LONG, m),
                call.allocateFrom(JAVA_LONG, v), call.allocateFrom(JAVA_LONG, mAbsmax), call.allocateFrom(JAVA_LONG, vAbsmax),
                call.allocateFrom(JAVA_LONG, grads), mCode, vCode, rates, call.allocateFrom(JAVA_LONG, sizes), params.length));
        }
    }

    public synchronized void doraNorm(long norm, long weight, long loraA, long loraB, long dOut, long dIn, long r, float scale,
        int dtype) {
        check("sails_dora_norm", api.doraNorm(handle(), norm, weight, loraA, loraB, dOut, dIn, r, scale, dtype));
    }

    public synchronized void doraForward(long y, long u, long magnitude, long norm, long n, long dOut, int yDtype) {
        check("sails_dora_forward", api.doraForward(handle(), y, u, magnitude, norm, n, dOut, yDtype));
    }

    public synchronized void doraBackward(long du, long dmagnitude, long dy, long u, long magnitude, long norm, long n, long dOut,
        int dtype) {
        check("sails_dora_backward", api.doraBackward(handle(), du, dmagnitude, dy, u, magnitude, norm, n, dOut, dtype));
    }

    private static void requireSameLength(long[]... lists) {
        for (long[] list : lists) {
            if (list.length != lists[0].length) {
                throw new IllegalArgumentException("lists of " + lists[0].length + " and " + list.length + " tensors");
            }
        }
    }
}
