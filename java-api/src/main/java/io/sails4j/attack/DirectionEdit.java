package io.sails4j.attack;

import io.sails4j.model.Site;
import io.sails4j.model.StreamEdit;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;

/** x - r (r^T x) in every row and everywhere in the residual stream, r of length 1 (arXiv:2406.11717, equation 4). */
final class DirectionEdit implements StreamEdit, AutoCloseable {
    private final Engine engine;
    private final Tensor direction;

    /** @param direction of length 1 [d_model] */
    DirectionEdit(Engine engine, float[] direction) {
        this.engine = engine;
        this.direction = engine.device().allocate(DType.F32, Shape.of(1, direction.length));
        this.direction.upload(direction);
    }

    @Override
    public void edit(Site site, int layer, Tensor stream, TensorArena memory) {
        Tensor part = memory.allocate(DType.F32, stream.dim(0), 1);
        engine.ops().matmul().matmul(part, stream, direction, false, true, 1, 0);
        engine.ops().matmul().matmul(stream, part, direction, false, false, -1, 1);
    }

    @Override
    public void close() {
        direction.close();
    }
}
