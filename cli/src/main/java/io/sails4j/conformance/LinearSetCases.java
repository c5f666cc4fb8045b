package io.sails4j.conformance;

import io.sails4j.ops.GluActivation;
import io.sails4j.ops.GluKept;
import io.sails4j.ops.LinearMap;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Several linear maps of one input with their adapters, and the pair of a gated layer with its activation. */
public final class LinearSetCases {
    private static final float SCALE = 0.75f;

    private LinearSetCases() {
    }

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        for (DType[] types : new DType[][] {{DType.F32, DType.F32}, {DType.F32, DType.BF16}, {DType.BF16, DType.BF16}}) {
            // Around 1, 4 and 8 rows, and more than a GPU's decoding kernels take; more maps than a launch has; maps without columns or
            // adapter.
            cases.add(new Forward(1, 2304, List.of(new Size(64, 16), new Size(32, 16), new Size(33, 0)), types[0], types[1]));
            cases.add(new Forward(4, 130, List.of(new Size(70, 0), new Size(1, 3), new Size(0, 2), new Size(9, 40), new Size(17, 1)),
                types[0], types[1]));
            cases.add(new Forward(8, 40, List.of(new Size(1100, 4), new Size(48, 0)), types[0], types[1]));
            cases.add(new Forward(9, 24, List.of(new Size(13, 2), new Size(40, 0)), types[0], types[1]));
            cases.add(new Forward(0, 8, List.of(new Size(4, 2)), types[0], types[1]));
            cases.add(new Forward(2, 8, List.of(), types[0], types[1]));
        }
        for (DType type : ElementwiseCases.FLOATS) {
            for (GluActivation activation : GluActivation.values()) {
                cases.add(new Glu(1, 2304, 70, 16, 16, false, activation, type));
                cases.add(new Glu(3, 65, 1100, 0, 3, false, activation, type));
                cases.add(new Glu(8, 33, 17, 2, 0, true, activation, type));
                // Rows of whole vectors, which bulk copies take: around the tiles, with either adapter, kept or not.
                cases.add(new Glu(136, 72, 264, 16, 20, true, activation, type));
                cases.add(new Glu(136, 136, 136, 20, 16, true, activation, type));
            }
            cases.add(new Glu(12, 40, 31, 2, 2, true, GluActivation.GELU_TANH, type));
            cases.add(new Glu(0, 8, 4, 0, 0, true, GluActivation.GELU_TANH, type));
            cases.add(new Glu(1, 5000, 9, 0, 0, false, GluActivation.SILU, type));
            cases.add(new Glu(72, 200, 56, 0, 3, false, GluActivation.SILU, type));
            cases.add(new Glu(300, 64, 64, 0, 0, true, GluActivation.GELU_TANH, type));
            cases.add(new Glu(264, 72, 200, 0, 3, false, GluActivation.SILU, type));
        }
        return cases;
    }

    /** Of one map: its outputs and the rank of its adapter. */
    public record Size(int dOut, int r) {
    }

    /** A map's operands. */
    private record Map(Operand weight, @Nullable Operand loraA, @Nullable Operand loraB) {
        static Map draw(Fixture f, int dIn, int dOut, int r, DType dtype) {
            Draw unit = Draw.normal(1 / Math.sqrt(dIn));
            return new Map(f.input("weight", dtype, unit, dOut, dIn), r == 0 ? null : f.input("lora_a", DType.F32, unit, r, dIn),
                r == 0 ? null : f.input("lora_b", DType.F32, Draw.normal(1), dOut, r));
        }

        LinearMap map() {
            return new LinearMap(weight.tensor(), Fixture.tensorOrNull(loraA), Fixture.tensorOrNull(loraB), SCALE);
        }

        /** Output o of row t. */
        Sum at(Operand x, int t, int o, int dIn) {
            Sum sum = LoraCases.dot(x.values(), t, weight.values(), o, dIn);
            if (loraA == null || loraB == null) {
                return sum;
            }
            int r = (int) loraA.tensor().dim(0);
            for (int l = 0; l < r; l++) {
                Sum hidden = LoraCases.dot(x.values(), t, loraA.values(), l, dIn);
                double b = SCALE * loraB.value(o * r + l);
                sum.add(hidden.value() * b, hidden.error() * Math.abs(b));
            }
            return sum;
        }
    }

    /** ys[i] = x W[i]^T + scale (x A[i]^T) B[i]^T. */
    public record Forward(int n, int dIn, List<Size> sizes, DType y, DType dtype) implements OpCase {
        @Override
        public String operation() {
            return "linear_set_forward";
        }

        @Override
        public double flops() {
            return sizes.stream().mapToDouble(s -> 2.0 * n * ((double) dIn * s.dOut + (double) s.r * (dIn + s.dOut))).sum();
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand x = f.input("x", dtype, Draw.normal(1), n, dIn);
            List<Map> maps = sizes.stream().map(s -> Map.draw(f, dIn, s.dOut, s.r, dtype)).toList();
            List<Operand> ys = sizes.stream().map(s -> f.output("y", y, n, s.dOut)).toList();
            f.oracle(() -> {
                for (int i = 0; i < maps.size(); i++) {
                    int dOut = sizes.get(i).dOut;
                    for (int at = 0; at < n * dOut; at++) {
                        Sum sum = maps.get(i).at(x, at / dOut, at % dOut, dIn);
                        ys.get(i).expect(at, sum.value(), sum.error());
                    }
                }
            });
            List<Tensor> out = ys.stream().map(Operand::tensor).toList();
            List<LinearMap> linear = maps.stream().map(Map::map).toList();
            return () -> f.ops().linear().linearSetForward(out, x.tensor(), linear);
        }
    }

    /**
     * y = act(gate) up, gate and up rounded on the way or not.
     *
     * @param kept whether gate, up and the adapters' first products are wanted
     */
    public record Glu(int n, int dIn, int dOut, int gateR, int upR, boolean kept, GluActivation activation, DType dtype) implements OpCase {
        @Override
        public String operation() {
            return "linear_glu_forward";
        }

        @Override
        public double flops() {
            return 2.0 * n * (2.0 * dIn * dOut + (double) (gateR + upR) * (dIn + dOut));
        }

        @Override
        public Runnable prepare(Fixture f) {
            if (dIn % 8 == 0 && dOut % 8 == 0) {
                f.aligned();
            }
            Operand x = f.input("x", dtype, Draw.normal(1), n, dIn);
            Map gate = Map.draw(f, dIn, dOut, gateR, dtype);
            Map up = Map.draw(f, dIn, dOut, upR, dtype);
            Operand y = f.output("y", dtype, n, dOut);
            Operand keptGate = kept ? f.output("gate", dtype, n, dOut) : null;
            Operand keptUp = kept ? f.output("up", dtype, n, dOut) : null;
            Operand gateH = kept && gateR > 0 ? f.output("gate_h", DType.F32, n, gateR) : null;
            Operand upH = kept && upR > 0 ? f.output("up_h", DType.F32, n, upR) : null;
            double unit = Codec.unitRoundoff(dtype);
            f.oracle(() -> {
                expectHidden(gateH, x, gate);
                expectHidden(upH, x, up);
                for (int i = 0; i < n * dOut; i++) {
                    Sum g = gate.at(x, i / dOut, i % dOut, dIn);
                    Sum u = up.at(x, i / dOut, i % dOut, dIn);
                    if (keptGate != null && keptUp != null) {
                        keptGate.expect(i, g.value(), g.error());
                        keptUp.expect(i, u.value(), u.error());
                    }
                    double act = ActivationCases.value(activation, g.value());
                    double gError = g.error() + unit * Math.abs(g.value());
                    double actError = Math.abs(ActivationCases.slope(activation, g.value())) * gError + gError * gError
                        + 8 * Sum.EPS * Math.abs(g.value());
                    y.expect(i, act * u.value(), actError * Math.abs(u.value()) + Math.abs(act) * (u.error() + unit * Math.abs(u.value())));
                }
            });
            GluKept outputs = new GluKept(Fixture.tensorOrNull(keptGate), Fixture.tensorOrNull(keptUp), Fixture.tensorOrNull(gateH),
                Fixture.tensorOrNull(upH));
            return () -> f.ops().linear().linearGluForward(y.tensor(), outputs, x.tensor(), gate.map(), up.map(), activation);
        }

        private void expectHidden(@Nullable Operand h, Operand x, Map map) {
            if (h == null || map.loraA() == null) {
                return;
            }
            int r = (int) map.loraA().tensor().dim(0);
            for (int i = 0; i < n * r; i++) {
                Sum sum = LoraCases.dot(x.values(), i / r, map.loraA().values(), i % r, dIn);
                h.expect(i, sum.value(), sum.error());
            }
        }
    }
}
