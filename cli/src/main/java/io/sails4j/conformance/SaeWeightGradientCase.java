package io.sails4j.conformance;

import io.sails4j.conformance.SaeEncodeCases.Codes;
import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.List;

/** dw[i] += value * rows[t] for each code (t, i), by rows or by columns of dw. */
public record SaeWeightGradientCase(int tokens, int dIn, int dSae, int capacity, boolean transposed) implements OpCase {
    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        for (int[] s : new int[][] {{0, 8, 16, 4}, {1, 1, 1, 1}, {3, 17, 33, 33}, {5, 64, 512, 40}, {19, 31, 257, 9}, {300, 5, 23, 11},
            {4, 255, 50, 20}, {4, 256, 51, 20}, {5, 257, 50, 50}, {3, 8, 16, 0}, {1100, 3, 16, 16}}) {
            cases.add(new SaeWeightGradientCase(s[0], s[1], s[2], s[3], false));
            cases.add(new SaeWeightGradientCase(s[0], s[1], s[2], s[3], true));
        }
        return cases;
    }

    @Override
    public String operation() {
        return "sae_weight_gradient";
    }

    @Override
    public DType dtype() {
        return DType.F32;
    }

    @Override
    public double flops() {
        return 2.0 * tokens * capacity * dIn;
    }

    @Override
    public Runnable prepare(Fixture f) {
        Codes codes = Codes.draw(f, tokens, dSae, capacity);
        Operand rows = f.input("rows", DType.F32, Draw.normal(1), tokens, dIn);
        Operand dw = transposed ? f.updated("dw", DType.F32, Draw.normal(1), dIn, dSae)
            : f.updated("dw", DType.F32, Draw.normal(1), dSae, dIn);
        f.oracle(() -> {
            Sum[] sums = new Sum[dSae * dIn];
            for (int at = 0; at < sums.length; at++) {
                sums[at] = new Sum();
                sums[at].add(dw.value(at));
            }
            for (int t = 0; t < tokens; t++) {
                for (int slot = 0; slot < codes.count(t); slot++) {
                    int i = codes.index(t, slot);
                    for (int d = 0; d < dIn; d++) {
                        double term = codes.value(t, slot) * rows.value(t * dIn + d);
                        sums[transposed ? d * dSae + i : i * dIn + d].add(term, Sum.EPS * Math.abs(term));
                    }
                }
            }
            for (int at = 0; at < sums.length; at++) {
                dw.expect(at, sums[at].value(), sums[at].error());
            }
        });
        return () -> f.ops().sae().saeWeightGradient(dw.tensor(), rows.tensor(), codes.indices().tensor(), codes.values().tensor(),
            codes.counts().tensor(), transposed);
    }
}
