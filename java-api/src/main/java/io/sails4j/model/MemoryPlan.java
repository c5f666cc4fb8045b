package io.sails4j.model;

import io.sails4j.config.ModelConfig;
import io.sails4j.tensor.DType;
import java.util.List;
import java.util.Map;

/**
 * What a training step needs on the device, in bytes, laid out before the first; the activations by {@link LayerMemory}.
 *
 * @param weightBytes the model's own parameters
 * @param trainableBytes trained parameters that the model does not hold itself, their gradients and the optimizer's state
 * @param keptBytes what forward leaves for backward
 * @param scratchBytes what lives within a block
 * @param headBytes the loss on top: gradients of the head's input, and the workspace that all operations share
 */
public record MemoryPlan(long weightBytes, long trainableBytes, long keptBytes, long scratchBytes, long headBytes) {
    /** Elements that parameters with remainders are stepped by at once. */
    public static final long REMAINDER_PIECE = 1L << 22;
    private static final long F32 = 4;

    /**
     * What is trained, and what the optimizer keeps of it.
     *
     * @param average whether a moving average is kept
     * @param state8bit whether the optimizer's moments are in 8 bits
     * @param bf16Masters whether what the model keeps in BF16 has a remainder in BF16 instead of a copy in F32
     */
    public record Trained(TrainedShape shape, boolean average, boolean state8bit, boolean bf16Masters) {
        /** Of both moments of so many parameters: F32, or a byte each and a scale for each block of 256. */
        long stateBytes(long parameters) {
            return state8bit ? 2 * parameters + 2 * F32 * Math.ceilDiv(parameters, 256L) : 2 * F32 * parameters;
        }
    }

    /**
     * The device memory of training such a model with micro-batches of a size.
     *
     * @param format of the model's weights; packed ones with the whole output matrix beside them, which a loss needs
     * @param positions tokens of a micro-batch with its padding
     * @param recompute as in {@link ForwardOptions}
     * @param workspaceBytes of the operation that takes the most for these positions
     */
    public static MemoryPlan of(ModelConfig config, DType computeDtype, WeightFormat format, Trained trained, long positions,
        RecomputePlan recompute, long workspaceBytes) {
        return of(new LayerMemory(config, computeDtype.byteSize(), trained.shape), computeDtype, format, trained, positions, recompute,
            workspaceBytes);
    }

    private static MemoryPlan of(LayerMemory layers, DType computeDtype, WeightFormat format, Trained trained, long positions,
        RecomputePlan recompute,
        long workspaceBytes) {
        ModelConfig config = layers.config();
        long head = positions * (F32 * config.dModel() + 3 * F32) + workspaceBytes;
        return new MemoryPlan(weights(config, computeDtype, format), trainableBytes(config, computeDtype, trained),
            positions * layers.kept(recompute), positions * layers.scratch(), head);
    }

    /** All of it. */
    public long totalBytes() {
        return weightBytes + trainableBytes + keptBytes + scratchBytes + headBytes;
    }

    /** The mix of layers computed again that costs the least of those that fit into the budget; every layer where none does. */
    public static RecomputePlan cheapest(ModelConfig config, DType computeDtype, WeightFormat format, Trained trained, long positions,
        long workspaceBytes, long budgetBytes) {
        LayerMemory layers = new LayerMemory(config, computeDtype.byteSize(), trained.shape);
        RecomputePlan best = new RecomputePlan(config.nLayers(), 0);
        long fixed = of(layers, computeDtype, format, trained, positions, best, workspaceBytes).totalBytes()
            - positions * layers.kept(best);
        for (int full = 0; full <= config.nLayers(); full++) {
            for (int selective = 0; selective <= config.nLayers() - full; selective++) {
                RecomputePlan mix = new RecomputePlan(full, selective);
                if (fixed + positions * layers.kept(mix) <= budgetBytes && layers.cost(mix) < layers.cost(best)) {
                    best = mix;
                }
            }
        }
        return best;
    }

    private static long norms(ModelConfig config) {
        return ((config.family().postNorms() ? 4L : 2L) * config.nLayers() + 1) * config.dModel();
    }

    private static long weights(ModelConfig config, DType computeDtype, WeightFormat format) {
        if (format == WeightFormat.CHECKPOINT) {
            return (config.parameterCount() - norms(config)) * computeDtype.byteSize() + norms(config) * F32;
        }
        long packed = ModelWeights.shapes(config).entrySet().stream().filter(entry -> entry.getValue().rank() == 2)
            .mapToLong(entry -> ModelWeights.packedType(format, entry.getKey()).byteSize(entry.getValue())).sum();
        return packed + norms(config) * F32 + config.vocabSize() * config.dModel() * computeDtype.byteSize();
    }

    /** Trained parameters that the model does not hold itself, their gradients and the optimizer's state, in bytes. */
    public static long trainableBytes(ModelConfig config, DType computeDtype, Trained trained) {
        TrainedShape shape = trained.shape;
        if (!shape.full()) {
            long parameters = shape.parameterCount(config);
            long factors = shape.factorElements(config);
            // The factors, their gradients, and what a variant has beside them.
            long values = 2 * factors + switch (shape.variant()) {
                case PLAIN -> 0;
                case PISSA -> factors;
                // Lengths, their gradients, and the norms that they are divided by.
                case DORA -> 3 * (parameters - factors);
                // Cores and their gradients.
                case CORE -> 2 * shape.coreElements();
            };
            return (values + (trained.average ? parameters : 0)) * F32 + trained.stateBytes(parameters);
        }
        // Gradient and state of everything; F32 masters, or BF16 remainders, of what the model keeps in BF16.
        long masters = computeDtype == DType.F32 ? 0 : config.parameterCount() - norms(config);
        long masterBytes = trained.bf16Masters ? masters * F32 / 2 + REMAINDER_PIECE * F32 : masters * F32;
        return config.parameterCount() * F32 * (trained.average ? 2 : 1) + trained.stateBytes(config.parameterCount()) + masterBytes;
    }

    /** A line for each part, for people. */
    public List<Map.Entry<String, Long>> parts() {
        return List.of(Map.entry("weights", weightBytes), Map.entry("trained parameters, gradients, optimizer", trainableBytes),
            Map.entry("activations kept for the backward", keptBytes), Map.entry("within a block", scratchBytes),
            Map.entry("loss and the operations' workspace", headBytes));
    }
}
