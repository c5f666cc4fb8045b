package io.sails4j.ops;

import static io.sails4j.tensor.DType.F32;
import static io.sails4j.tensor.DType.I32;

import io.sails4j.ffi.SamplingFunctions;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** The section "sampling" of {@code sails.h}: choosing tokens. See {@link Ops}. */
public final class SamplingOps {
    private final Device device;
    private final SamplingFunctions api;
    private final Workspace workspace;

    SamplingOps(Device device, SamplingFunctions api, Workspace workspace) {
        this.device = device;
        this.api = api;
        this.workspace = workspace;
    }

    /** ids [n] I32 of logits [n, vocab] F32; uniform [n] F32 may be null at temperature 0. */
    public void sample(Tensor ids, Tensor logits, @Nullable Tensor uniform, float temperature, long topK, float topP) {
        try (Call call = new Call(device, "sample")) {
            long n = call.rows("logits", logits);
            long vocab = call.cols("logits", logits);
            call.require(temperature >= 0, () -> "temperature is " + temperature + ", expected a number >= 0");
            call.require(topK >= 0, () -> "topK is " + topK + ", expected a number >= 0 (0 = all)");
            call.require(topP > 0 && topP <= 1, () -> "topP is " + topP + ", expected a number in (0, 1]");
            call.require(temperature == 0 || uniform != null, () -> "temperature " + temperature + " needs uniform");
            long idsAddress = call.elements("ids", ids, n, I32);
            long logitsAddress = call.address("logits", logits, F32);
            long uniformAddress = call.elementsOrNull("uniform", uniform, n, F32);
            synchronized (workspace) {
                long bytes = api.sampleWorkspaceBytes(n, vocab);
                api.sample(idsAddress, logitsAddress, uniformAddress, n, vocab, temperature, topK, topP, workspace.atLeast(bytes), bytes);
            }
        }
    }
}
