package io.sails4j.ops;

import io.sails4j.ffi.NativeDevice;
import io.sails4j.tensor.Device;

/**
 * The operations of {@code sails.h} on tensors, by its sections and with its names in camelCase; formulas, aliasing and "=" or "+=" are
 * those of the header. What holds for all of them:
 *
 * <p>Arguments are the outputs, the inputs, the sizes that no shape tells, then scalars. Leading sizes of a tensor that the header calls
 * {@code [n, d]} are flattened. Tensors are of the engine's device. Operations are queued and return before they have run, but where
 * "waits" is said.
 *
 * <p>Wrong shapes and types are {@link IllegalArgumentException} and name the operation, the argument and both shapes. What the library
 * refuses, lacks or fails at is {@link io.sails4j.NativeException}. After the engine's end every operation is {@link
 * IllegalStateException}.
 */
public final class Ops {
    private final NativeDevice api;
    private final Workspace workspace;
    private final ElementwiseOps elementwise;
    private final MatmulOps matmul;
    private final LinearOps linear;
    private final QuantizedOps quantized;
    private final BlockOps block;
    private final AttentionOps attention;
    private final HeadOps head;
    private final SamplingOps sampling;
    private final DecodingOps decoding;
    private final OptimizerOps optimizer;
    private final SaeOps sae;

    Ops(Device device) {
        this.api = Addresses.handle(device);
        this.workspace = new Workspace(device);
        this.elementwise = new ElementwiseOps(device, api, workspace);
        this.matmul = new MatmulOps(device, api, workspace);
        this.linear = new LinearOps(device, api, workspace);
        this.quantized = new QuantizedOps(device, api, workspace);
        this.block = new BlockOps(device, api, workspace);
        this.attention = new AttentionOps(device, api, workspace);
        this.head = new HeadOps(device, api, workspace);
        this.sampling = new SamplingOps(device, api, workspace);
        this.decoding = new DecodingOps(device, api, workspace);
        this.optimizer = new OptimizerOps(device, api, workspace);
        this.sae = new SaeOps(device, api, workspace);
    }

    void close() {
        workspace.close();
    }

    Graph record(Runnable body) {
        return Graph.record(api, workspace, body);
    }

    /** Elementwise operations, rows and reductions. */
    public ElementwiseOps elementwise() {
        return elementwise;
    }

    /** Dense products. */
    public MatmulOps matmul() {
        return matmul;
    }

    /** Linear maps with their adapters. */
    public LinearOps linear() {
        return linear;
    }

    /** Weights of 8 and 4 bits, and linear maps that have them. */
    public QuantizedOps quantized() {
        return quantized;
    }

    /** What a transformer block does beside its maps and its attention. */
    public BlockOps block() {
        return block;
    }

    /** Attention over whole sequences. */
    public AttentionOps attention() {
        return attention;
    }

    /** From hidden states to losses. */
    public HeadOps head() {
        return head;
    }

    /** Choosing tokens. */
    public SamplingOps sampling() {
        return sampling;
    }

    /** One new token a sequence over a cache. */
    public DecodingOps decoding() {
        return decoding;
    }

    /** Projections and AdamW. */
    public OptimizerOps optimizer() {
        return optimizer;
    }

    /** Sparse autoencoders and the standardisation around them. */
    public SaeOps sae() {
        return sae;
    }
}
