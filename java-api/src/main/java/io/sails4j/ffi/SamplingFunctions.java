package io.sails4j.ffi;

/** The section "sampling" of {@code sails.h}: choosing tokens. */
public interface SamplingFunctions {
    @Symbol("sails_sample_workspace_bytes")
    long sampleWorkspaceBytes(long nRows, long vocab);

    @Symbol("sails_sample")
    void sample(long ids, long logits, long uniform, long nRows, long vocab, float temperature, long topK, float topP, long workspace,
        long workspaceBytes);
}
