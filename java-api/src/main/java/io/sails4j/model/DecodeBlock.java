package io.sails4j.model;

import io.sails4j.config.ModelConfig;
import io.sails4j.config.Projection;
import io.sails4j.ops.Ops;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * {@link Block#forward} for one new token a sequence: the same arithmetic with fewer launches. Maps of one input go together, and so do the
 * end of one half block and the norm that begins the next; nothing depends on the host's knowledge of where the token stands.
 */
final class DecodeBlock {
    private final ModelConfig config;
    private final int layer;
    private final LayerWeights weights;
    private final List<Linear> qkv;
    private final List<Linear> o;
    private final Linear gate;
    private final Linear up;
    private final List<Linear> down;
    private final StepMaps maps;
    private final StreamTaps taps;

    DecodeBlock(ModelConfig config, int layer, LayerWeights weights, Map<Projection, Linear> linears, StepMaps maps, StreamTaps taps) {
        this.config = config;
        this.layer = layer;
        this.weights = weights;
        this.qkv = list(linears, Projection.Q_PROJ, Projection.K_PROJ, Projection.V_PROJ);
        this.o = list(linears, Projection.O_PROJ);
        this.gate = one(linears, Projection.GATE_PROJ);
        this.up = one(linears, Projection.UP_PROJ);
        this.down = list(linears, Projection.DOWN_PROJ);
        this.maps = maps;
        this.taps = taps;
    }

    private static List<Linear> list(Map<Projection, Linear> linears, Projection... projections) {
        return Arrays.stream(projections).map(projection -> one(linears, projection)).toList();
    }

    /** A block has every projection. */
    private static Linear one(Map<Projection, Linear> linears, Projection projection) {
        return Objects.requireNonNull(linears.get(projection));
    }

    Tensor inputNorm() {
        return weights.inputNorm().weight();
    }

    /**
     * Takes b.residual and b.normed, the same after the input norm, from resid_pre to resid_post.
     *
     * @param cache where the new keys and values go
     * @param nextNorm the norm that follows, whose output b.normed is then
     * @param scratch for what the maps need besides
     */
    void run(Ops ops, DecodeBuffers b, DecodeCache cache, Tensor nextNorm, TensorArena scratch) {
        maps.maps(ops, qkv, b.matrices().qkv(), b.normed(), scratch);
        cache.attend(ops, b, layer);
        maps.maps(ops, o, b.matrices().out(), b.matrices().z(), scratch);
        addAndNorm(ops, b, weights.postAttentionNorm(), Site.MID, weights.preFeedforwardNorm().weight(), scratch);
        maps.gated(ops, gate, up, b.act(), b.normed(), config.family().activation(), scratch);
        maps.maps(ops, down, b.matrices().out(), b.act(), scratch);
        addAndNorm(ops, b, weights.postFeedforwardNorm(), Site.LAYER, nextNorm, scratch);
    }

    private void addAndNorm(Ops ops, DecodeBuffers b, LayerWeights.@Nullable Norm post, Site site, Tensor next, TensorArena scratch) {
        residualNorm(ops, b, post == null ? null : post.weight(), next);
        if (taps.edit(site, layer, b.residual(), scratch)) {
            // The same kernel once more, adding nothing: an edit that changes nothing changes no bit.
            b.out().fillZero();
            residualNorm(ops, b, null, next);
        }
    }

    private void residualNorm(Ops ops, DecodeBuffers b, @Nullable Tensor post, Tensor next) {
        ops.block().residualNormForward(b.residual(), b.normed(), b.out(), post, b.residual(), next, (float) config.rmsNormEps(),
            config.family().normOffset());
    }
}
