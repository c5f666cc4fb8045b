package io.sails4j.adaptation;

import io.sails4j.model.LowRankAdapter;
import io.sails4j.objective.StepReadings;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;

/**
 * One module's weight update dW = lora_B lora_A beside a subspace on the side of the residual stream: |dW|^2 and |P dW|^2, by the Gram
 * matrices of the factors, since |B A|^2 = trace(B^T B A A^T).
 *
 * @param basis [d_model, r_s] F32 with orthonormal columns
 * @param right whether the subspace is on the right of dW: the module reads from the residual stream
 */
record ModuleUpdate(LowRankAdapter factors, Tensor basis, boolean right) {
    /** Gram matrices [r, r] of lora_A, of lora_B and of the facing factor's coordinates in the subspace. */
    record Grams(StepReadings.Reading a, StepReadings.Reading b, StepReadings.Reading coordinates) {
    }

    Grams allot(StepReadings readings) {
        long r = factors.r();
        return new Grams(readings.add(DType.F32, r, r), readings.add(DType.F32, r, r), readings.add(DType.F32, r, r));
    }

    /** The factor that faces the residual stream. */
    Tensor facing() {
        return right ? factors.loraA() : factors.loraB();
    }

    void queue(Grams grams, Engine engine, TensorArena memory) {
        long r = factors.r();
        Tensor coordinates = memory.allocate(DType.F32, right ? r : basis.dim(1), right ? basis.dim(1) : r);
        if (right) {
            engine.ops().matmul().matmul(coordinates, factors.loraA(), basis, false, false, 1, 0);
        } else {
            engine.ops().matmul().matmul(coordinates, basis, factors.loraB(), true, false, 1, 0);
        }
        gram(grams.a, factors.loraA(), true, engine);
        gram(grams.b, factors.loraB(), false, engine);
        gram(grams.coordinates, coordinates, right, engine);
    }

    /** X X^T (rows) or X^T X. */
    private static void gram(StepReadings.Reading gram, Tensor x, boolean rows, Engine engine) {
        engine.ops().matmul().matmul(gram.tensor(), x, x, !rows, rows, 1, 0);
    }

    /** After the readings were read. */
    UpdateSquares squares(Grams grams) {
        int r = (int) factors.r();
        return new UpdateSquares(trace(grams.a, grams.b, r),
            right ? trace(grams.coordinates, grams.b, r) : trace(grams.a, grams.coordinates, r));
    }

    private static double trace(StepReadings.Reading a, StepReadings.Reading b, int r) {
        double sum = 0;
        for (int i = 0; i < r; i++) {
            for (int j = 0; j < r; j++) {
                sum += a.value((long) i * r + j) * b.value((long) j * r + i);
            }
        }
        return sum;
    }
}
