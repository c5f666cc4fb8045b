package io.sails4j.lora;

import io.sails4j.model.LowRankAdapter;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.Tensor;

/** W + scale * lora_B lora_A on rows of a weight. */
final class FoldedRows {
    private FoldedRows() {
    }

    /** Adds an adapter to rows of a weight: {@code rows [n, d_in]} F32 begins at the weight's row {@code from}. */
    static void add(Tensor rows, LowRankAdapter adapter, long from, Engine engine) {
        engine.ops().matmul().matmul(rows, adapter.loraB().rows(from, rows.dim(0)), adapter.loraA(), false, false, adapter.scale(), 1);
        if (adapter.dora() != null) {
            scaleRows(rows, adapter.dora().magnitude().rows(from, rows.dim(0)).toFloatArray());
        }
    }

    /** Gives each row its length. */
    private static void scaleRows(Tensor weight, float[] magnitude) {
        float[] values = weight.toFloatArray();
        int d = values.length / Math.max(1, magnitude.length);
        for (int i = 0; i < magnitude.length; i++) {
            double squares = 0;
            for (int j = 0; j < d; j++) {
                squares += (double) values[i * d + j] * values[i * d + j];
            }
            double factor = magnitude[i] / Math.sqrt(squares);
            for (int j = 0; j < d; j++) {
                values[i * d + j] = (float) (values[i * d + j] * factor);
            }
        }
        weight.upload(values);
    }
}
