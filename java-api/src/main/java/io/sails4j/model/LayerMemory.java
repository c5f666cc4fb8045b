package io.sails4j.model;

import io.sails4j.config.ModelConfig;
import io.sails4j.config.ModuleKey;
import io.sails4j.config.Projection;
import java.util.Map;
import java.util.Set;

/**
 * Bytes of the activations for each position, following {@link Block#forward}, {@link Block#restored} and {@link Block#backward} tensor by
 * tensor.
 */
final class LayerMemory {
    private static final long F32 = 4;
    /**
     * Operations in the time of moving a byte: 989 TFLOP/s of BF16 by 3.35 TB/s on an H100 SXM (its data sheet), less what a product
     * reaches of it.
     */
    private static final double OPERATIONS_A_BYTE = 200;
    private static final Set<Projection> ATTENTION_INPUTS = Set.of(Projection.Q_PROJ, Projection.K_PROJ, Projection.V_PROJ);
    private static final Set<Projection> MLP_INPUTS = Set.of(Projection.GATE_PROJ, Projection.UP_PROJ);
    private static final Set<Projection> MLP_OUTPUT = Set.of(Projection.DOWN_PROJ);

    private final ModelConfig config;
    private final long e;
    private final TrainedShape trained;
    private final boolean postNorms;
    /** By layer: what stays if nothing is computed again, and what of that is computed again selectively. */
    private final long[] whole;
    private final long[] cheap;
    /** By layer: bytes that the selective recomputation moves. */
    private final long[] moved;
    /** What one layer's forward takes with everything that does not stay, the most of all layers. */
    private long forward;

    /** @param elementBytes of the compute type */
    LayerMemory(ModelConfig config, long elementBytes, TrainedShape trained) {
        this.config = config;
        this.e = elementBytes;
        this.trained = trained;
        this.postNorms = config.family().postNorms();
        this.whole = new long[config.nLayers()];
        this.cheap = new long[config.nLayers()];
        this.moved = new long[config.nLayers()];
        for (int layer = 0; layer < config.nLayers(); layer++) {
            addUp(layer);
        }
    }

    private void addUp(int layer) {
        long d = config.dModel();
        long ff = config.dFf();
        long normed = needsInput(layer, ATTENTION_INPUTS) ? 1 : 0;
        long mlpIn = needsInput(layer, MLP_INPUTS) ? 1 : 0;
        long act = needsInput(layer, MLP_OUTPUT) ? 1 : 0;
        long mid = postNorms ? 1 : 0;
        // attn_out, resid_mid, mlp_out, resid_post; without post-norms the sums overwrite the former
        long streams = postNorms ? 4 : 2;
        long norms = postNorms ? 4 : 2;
        long products = e * (2 * config.qWidth() + 2 * config.kvWidth() + 2 * ff)
            + F32 * ((streams - mid) * d + config.nHeads() + norms + ranks(layer) + trained.doraWidths(config, layer).sum());
        cheap[layer] = e * d * (normed + mlpIn) + e * ff * act + F32 * d * mid;
        whole[layer] = products + cheap[layer];
        moved[layer] = (F32 + e) * d * (normed + mlpIn) + 3 * e * ff * act + 3 * F32 * d * mid;
        forward = Math.max(forward, products + e * (2 * d + ff) + F32 * d * mid);
    }

    private boolean needsInput(int layer, Set<Projection> readers) {
        return trained.full() || readers.stream().anyMatch(p -> trained.ranks().containsKey(new ModuleKey(layer, p)));
    }

    private long ranks(int layer) {
        return trained.ranks().entrySet().stream().filter(r -> r.getKey().layer() == layer).mapToLong(Map.Entry::getValue).sum()
            * (trained.variant() == TrainedShape.Variant.PISSA ? 2 : 1);
    }

    ModelConfig config() {
        return config;
    }

    /** What forward leaves for backward, and what the backward computes again of one layer at a time. */
    long kept(RecomputePlan recompute) {
        long kept = shared();
        long again = 0;
        for (int layer = 0; layer < config.nLayers(); layer++) {
            switch (recompute.of(layer)) {
                case NONE -> kept += whole[layer];
                case SELECTIVE -> {
                    kept += whole[layer] - cheap[layer];
                    again = Math.max(again, cheap[layer]);
                }
                case FULL -> {
                    kept += F32 * config.dModel();
                    again = Math.max(again, whole[layer]);
                }
            }
        }
        return kept + again;
    }

    /** What lives within a block: a forward that keeps nothing, or the backward. */
    long scratch() {
        return Math.max(forward, backward());
    }

    /** What a mix takes longer, in operations for each position: the linear maps once more, or the memory that is moved. */
    double cost(RecomputePlan recompute) {
        double linear = 0;
        for (Projection p : Projection.values()) {
            linear += 2.0 * p.dIn(config) * p.dOut(config);
        }
        double cost = 0;
        for (int layer = 0; layer < config.nLayers(); layer++) {
            cost += switch (recompute.of(layer)) {
                case NONE -> 0;
                case SELECTIVE -> OPERATIONS_A_BYTE * moved[layer];
                case FULL -> linear;
            };
        }
        return cost;
    }

    /** Segments, positions, ids, the rotation table, the embedding, the final norm. */
    private long shared() {
        return 3 * F32 + F32 * config.headDim() + F32 * config.dModel() + e * config.dModel() + F32;
    }

    /** Of an element of a map's input: its gradient in the compute type, and before that in F32 where a layer has an adapter there. */
    private long gradient(Projection projection) {
        boolean adapted = trained.ranks().keySet().stream().anyMatch(key -> key.projection() == projection);
        return e == F32 || !adapted ? e : F32 + e;
    }

    /** The gradient of the residual stream, and the larger half of a block's backward. */
    private long backward() {
        long d = config.dModel();
        boolean typed = e != F32;
        long post = postNorms ? F32 * d : 0;
        long mlp = post + (typed ? e * d : 0) + gradient(Projection.DOWN_PROJ) * config.dFf() + 2 * e * config.dFf() + F32 * d;
        long attention = post + (typed ? e * d : 0) + gradient(Projection.O_PROJ) * config.qWidth()
            + e * (config.qWidth() + 2 * config.kvWidth()) + F32 * d;
        return F32 * d + Math.max(mlp, attention) + e * trained.doraWidths(config, 0).max().orElse(0);
    }
}
