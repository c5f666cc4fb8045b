package io.sails4j.ffi;

import static io.sails4j.ffi.Symbols.at;
import static io.sails4j.ffi.Symbols.link;
import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** The section "transformer layers" of {@code sails.h}; see {@link SailsH}. */
final class LayersH {
    static final MethodHandle EMBEDDING_FORWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG,
        JAVA_FLOAT, JAVA_INT, JAVA_INT);
    static final MethodHandle EMBEDDING_BACKWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG,
        JAVA_FLOAT);
    static final MethodHandle RMSNORM_FORWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG,
        JAVA_FLOAT, JAVA_FLOAT, JAVA_INT, JAVA_INT);
    static final MethodHandle RMSNORM_BACKWARD_WORKSPACE_BYTES = link(ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG);
    static final MethodHandle RMSNORM_BACKWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG,
        JAVA_LONG, JAVA_FLOAT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS, JAVA_LONG);
    static final MethodHandle ROPE_TABLE = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG);
    static final MethodHandle ROPE = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT,
        JAVA_INT);
    static final MethodHandle ATTENTION_FORWARD_WORKSPACE_BYTES = link(ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG,
        JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT);
    static final MethodHandle ATTENTION_FORWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_FLOAT, JAVA_FLOAT,
        JAVA_INT, ADDRESS, JAVA_LONG);
    static final MethodHandle ATTENTION_BACKWARD_WORKSPACE_BYTES = link(ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG,
        JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT);
    static final MethodHandle ATTENTION_BACKWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
        JAVA_LONG, JAVA_LONG, JAVA_FLOAT, JAVA_FLOAT, JAVA_INT, ADDRESS, JAVA_LONG);
    static final MethodHandle GLU_FORWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT);
    static final MethodHandle GLU_BACKWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT,
        JAVA_INT);
    static final MethodHandle SOFTCAP_FORWARD = link(ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_FLOAT);
    static final MethodHandle SOFTCAP_BACKWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_FLOAT);
    static final MethodHandle CROSS_ENTROPY = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG);
    static final MethodHandle HEAD_LOSS_WORKSPACE_BYTES = link(ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT);
    static final MethodHandle HEAD_LOSS = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG,
        JAVA_LONG, JAVA_LONG, JAVA_FLOAT, JAVA_INT, ADDRESS, JAVA_LONG);
    static final MethodHandle PREFERENCE_LOSS = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_DOUBLE, JAVA_DOUBLE);
    static final MethodHandle SAMPLE_WORKSPACE_BYTES = link(ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG);
    static final MethodHandle SAMPLE = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_FLOAT, JAVA_LONG,
        JAVA_FLOAT, ADDRESS, JAVA_LONG);

    private final Symbols symbols;
    private final MemorySegment embeddingForward;
    private final MemorySegment embeddingBackward;
    private final MemorySegment rmsnormForward;
    private final MemorySegment rmsnormBackwardWorkspaceBytes;
    private final MemorySegment rmsnormBackward;
    private final MemorySegment ropeTable;
    private final MemorySegment rope;
    private final MemorySegment attentionForwardWorkspaceBytes;
    private final MemorySegment attentionForward;
    private final MemorySegment attentionBackwardWorkspaceBytes;
    private final MemorySegment attentionBackward;
    private final MemorySegment gluForward;
    private final MemorySegment gluBackward;
    private final MemorySegment softcapForward;
    private final MemorySegment softcapBackward;
    private final MemorySegment crossEntropy;
    private final MemorySegment headLossWorkspaceBytes;
    private final MemorySegment headLoss;
    private final MemorySegment preferenceLoss;
    private final MemorySegment sampleWorkspaceBytes;
    private final MemorySegment sample;

    LayersH(Symbols symbols) {
        this.symbols = symbols;
        embeddingForward = symbols.find("sails_embedding_forward");
        embeddingBackward = symbols.find("sails_embedding_backward");
        rmsnormForward = symbols.find("sails_rmsnorm_forward");
        rmsnormBackwardWorkspaceBytes = symbols.find("sails_rmsnorm_backward_workspace_bytes");
        rmsnormBackward = symbols.find("sails_rmsnorm_backward");
        ropeTable = symbols.find("sails_rope_table");
        rope = symbols.find("sails_rope");
        attentionForwardWorkspaceBytes = symbols.find("sails_attention_forward_workspace_bytes");
        attentionForward = symbols.find("sails_attention_forward");
        attentionBackwardWorkspaceBytes = symbols.find("sails_attention_backward_workspace_bytes");
        attentionBackward = symbols.find("sails_attention_backward");
        gluForward = symbols.find("sails_glu_forward");
        gluBackward = symbols.find("sails_glu_backward");
        softcapForward = symbols.find("sails_softcap_forward");
        softcapBackward = symbols.find("sails_softcap_backward");
        crossEntropy = symbols.find("sails_cross_entropy");
        headLossWorkspaceBytes = symbols.find("sails_head_loss_workspace_bytes");
        headLoss = symbols.find("sails_head_loss");
        preferenceLoss = symbols.find("sails_preference_loss");
        sampleWorkspaceBytes = symbols.find("sails_sample_workspace_bytes");
        sample = symbols.find("sails_sample");
    }

    int embeddingForward(MemorySegment device, long y, long ids, long table, long nTokens, long vocab, long dModel, float scale,
        int yDtype, int tableDtype) {
        try {
            return (int) EMBEDDING_FORWARD.invokeExact(embeddingForward, device, at(y), at(ids), at(table), nTokens, vocab,
                dModel, scale, yDtype, tableDtype);
        } catch (Throwable e) {
            throw symbols.failure("sails_embedding_forward", embeddingForward, e);
        }
    }

    int embeddingBackward(MemorySegment device, long dtable, long dy, long ids, long nTokens, long vocab, long dModel,
        float scale) {
        try {
            return (int) EMBEDDING_BACKWARD.invokeExact(embeddingBackward, device, at(dtable), at(dy), at(ids), nTokens, vocab,
                dModel, scale);
        } catch (Throwable e) {
            throw symbols.failure("sails_embedding_backward", embeddingBackward, e);
        }
    }

    int rmsnormForward(MemorySegment device, long y, long rstd, long x, long weight, long residual, long nRows, long d, float eps,
        float weightOffset, int yDtype, int xDtype) {
        try {
            return (int) RMSNORM_FORWARD.invokeExact(rmsnormForward, device, at(y), at(rstd), at(x), at(weight), at(residual),
                nRows, d, eps, weightOffset, yDtype, xDtype);
        } catch (Throwable e) {
            throw symbols.failure("sails_rmsnorm_forward", rmsnormForward, e);
        }
    }

    int rmsnormBackwardWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long nRows, long d) {
        try {
            return (int) RMSNORM_BACKWARD_WORKSPACE_BYTES.invokeExact(rmsnormBackwardWorkspaceBytes, device, outBytes, nRows, d);
        } catch (Throwable e) {
            throw symbols.failure("sails_rmsnorm_backward_workspace_bytes", rmsnormBackwardWorkspaceBytes, e);
        }
    }

    int rmsnormBackward(MemorySegment device, long dx, long dweight, long dy, long x, long weight, long rstd, long nRows, long d,
        float weightOffset, int accumulateDx, int dyDtype, int xDtype, long workspace, long workspaceBytes) {
        try {
            return (int) RMSNORM_BACKWARD.invokeExact(rmsnormBackward, device, at(dx), at(dweight), at(dy), at(x), at(weight),
                at(rstd), nRows, d, weightOffset, accumulateDx, dyDtype, xDtype, at(workspace), workspaceBytes);
        } catch (Throwable e) {
            throw symbols.failure("sails_rmsnorm_backward", rmsnormBackward, e);
        }
    }

    int ropeTable(MemorySegment device, long table, long positions, long invFreq, long nTokens, long headDim) {
        try {
            return (int) ROPE_TABLE.invokeExact(ropeTable, device, at(table), at(positions), at(invFreq), nTokens, headDim);
        } catch (Throwable e) {
            throw symbols.failure("sails_rope_table", ropeTable, e);
        }
    }

    int rope(MemorySegment device, long y, long x, long table, long nTokens, long nHeads, long headDim, int inverse, int dtype) {
        try {
            return (int) ROPE.invokeExact(rope, device, at(y), at(x), at(table), nTokens, nHeads, headDim, inverse, dtype);
        } catch (Throwable e) {
            throw symbols.failure("sails_rope", rope, e);
        }
    }

    int attentionForwardWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long batch, long nQueries, long nKeys,
        long nHeads, long nKvHeads, long headDim, int dtype) {
        try {
            return (int) ATTENTION_FORWARD_WORKSPACE_BYTES.invokeExact(attentionForwardWorkspaceBytes, device, outBytes, batch,
                nQueries, nKeys, nHeads, nKvHeads, headDim, dtype);
        } catch (Throwable e) {
            throw symbols.failure("sails_attention_forward_workspace_bytes", attentionForwardWorkspaceBytes, e);
        }
    }

    int attentionForward(MemorySegment device, long out, long lse, long q, long k, long v, long qSegment, long kSegment,
        long batch, long nQueries, long nKeys, long nHeads, long nKvHeads, long headDim, long kvBatchStride, long queryOffset,
        long window, float scale, float softcap, int dtype, long workspace, long workspaceBytes) {
        try {
            return (int) ATTENTION_FORWARD.invokeExact(attentionForward, device, at(out), at(lse), at(q), at(k), at(v),
                at(qSegment), at(kSegment), batch, nQueries, nKeys, nHeads, nKvHeads, headDim, kvBatchStride, queryOffset, window,
                scale, softcap, dtype, at(workspace), workspaceBytes);
        } catch (Throwable e) {
            throw symbols.failure("sails_attention_forward", attentionForward, e);
        }
    }

    int attentionBackwardWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long batch, long nQueries, long nKeys,
        long nHeads, long nKvHeads, long headDim, int dtype) {
        try {
            return (int) ATTENTION_BACKWARD_WORKSPACE_BYTES.invokeExact(attentionBackwardWorkspaceBytes, device, outBytes, batch,
                nQueries, nKeys, nHeads, nKvHeads, headDim, dtype);
        } catch (Throwable e) {
            throw symbols.failure("sails_attention_backward_workspace_bytes", attentionBackwardWorkspaceBytes, e);
        }
    }

    int attentionBackward(MemorySegment device, long dq, long dk, long dv, long dout, long q, long k, long v, long out, long lse,
        long qSegment, long kSegment, long batch, long nQueries, long nKeys, long nHeads, long nKvHeads, long headDim,
        long kvBatchStride, long queryOffset, long window, float scale, float softcap, int dtype, long workspace,
        long workspaceBytes) {
        try {
            return (int) ATTENTION_BACKWARD.invokeExact(attentionBackward, device, at(dq), at(dk), at(dv), at(dout), at(q), at(k),
                at(v), at(out), at(lse), at(qSegment), at(kSegment), batch, nQueries, nKeys, nHeads, nKvHeads, headDim,
                kvBatchStride, queryOffset, window, scale, softcap, dtype, at(workspace), workspaceBytes);
        } catch (Throwable e) {
            throw symbols.failure("sails_attention_backward", attentionBackward, e);
        }
    }

    int gluForward(MemorySegment device, long y, long gate, long up, long n, int activation, int dtype) {
        try {
            return (int) GLU_FORWARD.invokeExact(gluForward, device, at(y), at(gate), at(up), n, activation, dtype);
        } catch (Throwable e) {
            throw symbols.failure("sails_glu_forward", gluForward, e);
        }
    }

    int gluBackward(MemorySegment device, long dgate, long dup, long dy, long gate, long up, long n, int activation, int dtype) {
        try {
            return (int) GLU_BACKWARD.invokeExact(gluBackward, device, at(dgate), at(dup), at(dy), at(gate), at(up), n,
                activation, dtype);
        } catch (Throwable e) {
            throw symbols.failure("sails_glu_backward", gluBackward, e);
        }
    }

    int softcapForward(MemorySegment device, long y, long x, long n, float cap) {
        try {
            return (int) SOFTCAP_FORWARD.invokeExact(softcapForward, device, at(y), at(x), n, cap);
        } catch (Throwable e) {
            throw symbols.failure("sails_softcap_forward", softcapForward, e);
        }
    }

    int softcapBackward(MemorySegment device, long dx, long dy, long y, long n, float cap) {
        try {
            return (int) SOFTCAP_BACKWARD.invokeExact(softcapBackward, device, at(dx), at(dy), at(y), n, cap);
        } catch (Throwable e) {
            throw symbols.failure("sails_softcap_backward", softcapBackward, e);
        }
    }

    int crossEntropy(MemorySegment device, long tokenLoss, long dlogits, long logits, long targets, long tokenWeight,
        long nTokens, long vocab) {
        try {
            return (int) CROSS_ENTROPY.invokeExact(crossEntropy, device, at(tokenLoss), at(dlogits), at(logits), at(targets),
                at(tokenWeight), nTokens, vocab);
        } catch (Throwable e) {
            throw symbols.failure("sails_cross_entropy", crossEntropy, e);
        }
    }

    int headLossWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long nTokens, long dModel, long vocab, int dtype) {
        try {
            return (int) HEAD_LOSS_WORKSPACE_BYTES.invokeExact(headLossWorkspaceBytes, device, outBytes, nTokens, dModel, vocab,
                dtype);
        } catch (Throwable e) {
            throw symbols.failure("sails_head_loss_workspace_bytes", headLossWorkspaceBytes, e);
        }
    }

    int headLoss(MemorySegment device, long tokenLoss, long dhidden, long dembed, long hidden, long embed, long targets,
        long tokenWeight, long nTokens, long dModel, long vocab, float softcap, int dtype, long workspace, long workspaceBytes) {
        try {
            return (int) HEAD_LOSS.invokeExact(headLoss, device, at(tokenLoss), at(dhidden), at(dembed), at(hidden), at(embed),
                at(targets), at(tokenWeight), nTokens, dModel, vocab, softcap, dtype, at(workspace), workspaceBytes);
        } catch (Throwable e) {
            throw symbols.failure("sails_head_loss", headLoss, e);
        }
    }

    int preferenceLoss(MemorySegment device, long results, long tokenWeight, long tokenLoss, long targets, long starts, long ends,
        long reference, long nPairs, long nTokens, int kind, double strength, double lossScale) {
        try {
            return (int) PREFERENCE_LOSS.invokeExact(preferenceLoss, device, at(results), at(tokenWeight), at(tokenLoss),
                at(targets), at(starts), at(ends), at(reference), nPairs, nTokens, kind, strength, lossScale);
        } catch (Throwable e) {
            throw symbols.failure("sails_preference_loss", preferenceLoss, e);
        }
    }

    int sampleWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long nRows, long vocab) {
        try {
            return (int) SAMPLE_WORKSPACE_BYTES.invokeExact(sampleWorkspaceBytes, device, outBytes, nRows, vocab);
        } catch (Throwable e) {
            throw symbols.failure("sails_sample_workspace_bytes", sampleWorkspaceBytes, e);
        }
    }

    int sample(MemorySegment device, long ids, long logits, long uniform, long nRows, long vocab, float temperature, long topK,
        float topP, long workspace, long workspaceBytes) {
        try {
            return (int) SAMPLE.invokeExact(sample, device, at(ids), at(logits), at(uniform), nRows, vocab, temperature, topK,
                topP, at(workspace), workspaceBytes);
        } catch (Throwable e) {
            throw symbols.failure("sails_sample", sample, e);
        }
    }
}
