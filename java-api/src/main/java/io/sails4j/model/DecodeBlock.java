package io.sails4j.model;

import io.sails4j.config.ModelConfig;
import io.sails4j.config.Projection;
import io.sails4j.ops.Ops;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
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
    private final Map<Projection, Linear> linears;
    private final StepMaps maps;
    private final StreamTaps taps;

    DecodeBlock(ModelConfig config, int layer, LayerWeights weights, Map<Projection, Linear> linears, StepMaps maps, StreamTaps taps) {
        this.config = config;
        this.layer = layer;
        this.weights = weights;
        this.linears = linears;
        this.maps = maps;
        this.taps = taps;
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
        maps(ops, b.normed(), scratch, List.of(Projection.Q_PROJ, Projection.K_PROJ, Projection.V_PROJ),
            List.of(DecodeBuffers.flat(b.q()), DecodeBuffers.flat(b.k()), DecodeBuffers.flat(b.v())));
        cache.attend(ops, b, layer);
        maps(ops, DecodeBuffers.flat(b.z()), scratch, List.of(Projection.O_PROJ), List.of(b.out()));
        addAndNorm(ops, b, weights.postAttentionNorm(), Site.MID, weights.preFeedforwardNorm().weight(), scratch);
        maps.gated(ops, linear(Projection.GATE_PROJ), linear(Projection.UP_PROJ), b.act(), b.normed(), config.family().activation(),
            scratch);
        maps(ops, b.act(), scratch, List.of(Projection.DOWN_PROJ), List.of(b.out()));
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

    private void maps(Ops ops, Tensor x, TensorArena scratch, List<Projection> projections, List<Tensor> ys) {
        maps.maps(ops, projections.stream().map(this::linear).toList(), ys, x, scratch);
    }

    /** A block has every projection. */
    private Linear linear(Projection projection) {
        return Objects.requireNonNull(linears.get(projection));
    }
}
