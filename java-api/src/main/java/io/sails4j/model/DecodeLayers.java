package io.sails4j.model;

import io.sails4j.config.ModelConfig;
import io.sails4j.ops.Ops;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A decoding step from the latest tokens to the logits of the next: embedding, all blocks, head. */
final class DecodeLayers implements AutoCloseable {
    private final CausalModel model;
    private final ModelConfig config;
    private final List<DecodeBlock> blocks = new ArrayList<>();
    private final TensorArena scratch;
    private final StreamTaps taps;

    DecodeLayers(CausalModel model, AdapterStack adapters, @Nullable StreamEdit edit) {
        this.model = model;
        this.config = model.config();
        this.scratch = new TensorArena(model.engine().device());
        this.taps = new StreamTaps(edit, null);
        model.blocks().forEach(block -> blocks.add(block.decoding(adapters, taps)));
    }

    /** From b.ids at b.positions to b.logits. */
    void run(DecodeBuffers b, DecodeCache cache) {
        Ops ops = model.engine().ops();
        model.embed(b.residual(), b.ids());
        taps.at(Site.EMBED, Site.NO_LAYER, b.residual(), scratch);
        model.ropeTable(b.ropeTable(), b.positions());
        ops.block().rmsnormForward(b.normed(), null, b.residual(),
            blocks.isEmpty() ? model.weights().finalNorm() : blocks.getFirst().inputNorm(), null,
            (float) config.rmsNormEps(), config.family().normOffset());
        for (int layer = 0; layer < blocks.size(); layer++) {
            Tensor next = layer + 1 < blocks.size() ? blocks.get(layer + 1).inputNorm() : model.weights().finalNorm();
            blocks.get(layer).run(ops, b, cache, next, scratch);
        }
        model.head(b.logits(), b.normed());
    }

    /** The attention of a layer over a cache whose sequences all stand at {@code place}, one I32. */
    void attend(Ops ops, int layer, KvCache cache, DecodeBuffers b, Tensor place) {
        Tensor keys = cache.keysByHead(layer);
        Tensor values = cache.valuesByHead(layer);
        ops.decoding().ropeAppend(b.q(), keys, values, cache.segments(), b.k(), b.v(), b.ropeTable(), b.segments(), place);
        ops.decoding().attentionDecode(b.z(), b.q(), keys, values, b.segments(), cache.segments(), place,
            config.isSliding(layer) ? config.slidingWindow() : 0, (float) (1 / Math.sqrt(config.queryPreAttnScalar())),
            (float) config.attnLogitSoftcap());
    }

    @Override
    public void close() {
        scratch.close();
    }
}
