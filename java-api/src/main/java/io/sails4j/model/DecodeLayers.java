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

    DecodeLayers(CausalModel model, StepMaps maps, @Nullable StreamEdit edit) {
        this.model = model;
        this.config = model.config();
        this.scratch = new TensorArena(model.engine().device());
        this.taps = new StreamTaps(edit, null);
        model.blocks().forEach(block -> blocks.add(block.decoding(maps, taps)));
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
        ops.decoding().attentionDecode(b.z(), b.q(), keys, values, b.segments(), cache.segments(), place, window(layer), scale(),
            (float) config.attnLogitSoftcap());
    }

    /**
     * The attention of a layer where each row is a sequence of its own in the pages of a pool.
     *
     * @param places where the rows' tokens stand, -1: nobody [rows] I32
     * @param pageTable [rows, pages of the longest sequence] I32
     */
    void attend(Ops ops, int layer, PagePool pool, DecodeBuffers b, Tensor places, Tensor pageTable) {
        Tensor keys = pool.keys(layer);
        Tensor values = pool.values(layer);
        ops.decoding().ropeAppendPaged(b.q(), keys, values, b.k(), b.v(), b.ropeTable(), places, pageTable);
        ops.decoding().attentionDecodePaged(b.z(), b.q(), keys, values, places, pageTable, window(layer), scale(),
            (float) config.attnLogitSoftcap());
    }

    private int window(int layer) {
        return config.isSliding(layer) ? config.slidingWindow() : 0;
    }

    private float scale() {
        return (float) (1 / Math.sqrt(config.queryPreAttnScalar()));
    }

    @Override
    public void close() {
        scratch.close();
    }
}
