package io.sails4j.conformance;

import io.sails4j.ops.GluActivation;
import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.List;

/** Gated linear units (arXiv:2002.05202; GELU in the tanh form of arXiv:1606.08415, SiLU) and the soft-cap. */
public final class ActivationCases {
    private static final int[] SIZES = {0, 1, 15, 17, 257, 70001};
    private static final double SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);

    /** Which input the output shares its memory with. */
    public enum Alias { NONE, GATE, UP, DY }

    private ActivationCases() {
    }

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        for (DType type : ElementwiseCases.FLOATS) {
            for (GluActivation activation : GluActivation.values()) {
                for (int n : SIZES) {
                    cases.add(new GluForward(n, activation, Alias.NONE, type));
                    cases.add(new GluBackward(n, activation, Alias.NONE, type));
                }
                cases.add(new GluForward(77, activation, Alias.GATE, type));
                cases.add(new GluForward(77, activation, Alias.UP, type));
                cases.add(new GluBackward(77, activation, Alias.UP, type));
                cases.add(new GluBackward(77, activation, Alias.DY, type));
            }
        }
        for (int n : SIZES) {
            cases.add(new SoftcapForward(n, 30, false));
            cases.add(new SoftcapBackward(n, 30, false));
        }
        cases.add(new SoftcapForward(77, 50, true));
        cases.add(new SoftcapBackward(77, 50, true));
        return cases;
    }

    static double gelu(double z) {
        return 0.5 * z * (1 + Math.tanh(SQRT_2_OVER_PI * (z + 0.044715 * z * z * z)));
    }

    static double geluPrime(double z) {
        double t = Math.tanh(SQRT_2_OVER_PI * (z + 0.044715 * z * z * z));
        return 0.5 * (1 + t) + 0.5 * z * (1 - t * t) * SQRT_2_OVER_PI * (1 + 3 * 0.044715 * z * z);
    }

    static double silu(double z) {
        return z / (1 + Math.exp(-z));
    }

    static double siluPrime(double z) {
        double s = 1 / (1 + Math.exp(-z));
        return s + z * s * (1 / (1 + Math.exp(z)));
    }

    static double value(GluActivation activation, double z) {
        return switch (activation) {
            case GELU_TANH -> gelu(z);
            case SILU -> silu(z);
        };
    }

    static double slope(GluActivation activation, double z) {
        return switch (activation) {
            case GELU_TANH -> geluPrime(z);
            case SILU -> siluPrime(z);
        };
    }

    /** Large values among the small ones: there tanh is saturated. */
    private static Draw gates() {
        return (random, i) -> i % 16 == 3 ? 30 * random.nextGaussian() : i % 16 == 5 ? 1e-3 * random.nextGaussian()
            : 2 * random.nextGaussian();
    }

    private static Operand drawn(Fixture f, boolean updated, String name, DType type, Draw draw, int n) {
        return updated ? f.updated(name, type, draw, n) : f.input(name, type, draw, n);
    }

    /** y = act(gate) * up. */
    public record GluForward(int n, GluActivation activation, Alias alias, DType dtype) implements OpCase {
        @Override
        public String operation() {
            return "glu_forward";
        }

        @Override
        public double flops() {
            return 10.0 * n;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand gate = drawn(f, alias == Alias.GATE, "gate", dtype, gates(), n);
            Operand up = drawn(f, alias == Alias.UP, "up", dtype, Draw.normal(1), n);
            Operand y = alias == Alias.GATE ? gate : alias == Alias.UP ? up : f.output("y", dtype, n);
            f.oracle(() -> {
                for (int i = 0; i < n; i++) {
                    double z = gate.value(i);
                    y.expect(i, value(activation, z) * up.value(i), 6 * Sum.EPS * Math.abs(z * up.value(i)));
                }
            });
            return () -> f.ops().block().gluForward(y.tensor(), gate.tensor(), up.tensor(), activation);
        }
    }

    /** dgate = dy * up * act'(gate), dup = dy * act(gate); aliased: dgate is gate, and dup is up or dy. */
    public record GluBackward(int n, GluActivation activation, Alias alias, DType dtype) implements OpCase {
        @Override
        public String operation() {
            return "glu_backward";
        }

        @Override
        public double flops() {
            return 20.0 * n;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand gate = drawn(f, alias != Alias.NONE, "gate", dtype, gates(), n);
            Operand up = drawn(f, alias == Alias.UP, "up", dtype, Draw.normal(1), n);
            Operand dy = drawn(f, alias == Alias.DY, "dy", dtype, Draw.normal(1), n);
            Operand dgate = alias != Alias.NONE ? gate : f.output("dgate", dtype, n);
            Operand dup = alias == Alias.UP ? up : alias == Alias.DY ? dy : f.output("dup", dtype, n);
            f.oracle(() -> {
                for (int i = 0; i < n; i++) {
                    double z = gate.value(i);
                    double both = dy.value(i) * up.value(i);
                    // 1 - tanh^2 loses its digits where tanh is near 1, and is multiplied by up to z (1 + 0.134 z^2) there.
                    double growth = 8 + 2 * Math.min(Math.abs(z), 6) * (1 + 0.134 * Math.min(z * z, 36));
                    dgate.expect(i, both * slope(activation, z), Sum.EPS * growth * Math.abs(both));
                    dup.expect(i, dy.value(i) * value(activation, z), 6 * Sum.EPS * Math.abs(z * dy.value(i)));
                }
            });
            return () -> f.ops().block().gluBackward(dgate.tensor(), dup.tensor(), dy.tensor(), gate.tensor(), up.tensor(), activation);
        }
    }

    /** y = cap tanh(x / cap). */
    public record SoftcapForward(int n, float cap, boolean alias) implements OpCase {
        @Override
        public String operation() {
            return "softcap_forward";
        }

        @Override
        public DType dtype() {
            return DType.F32;
        }

        @Override
        public double flops() {
            return 5.0 * n;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Draw draw = (random, i) -> cap * random.nextGaussian() * Math.pow(10, -random.nextInt(4));
            Operand x = drawn(f, alias, "x", DType.F32, draw, n);
            Operand y = alias ? x : f.output("y", DType.F32, n);
            f.oracle(() -> {
                for (int i = 0; i < n; i++) {
                    double value = cap * Math.tanh(x.value(i) / cap);
                    y.expect(i, value, 3 * Sum.EPS * Math.abs(value));
                }
            });
            return () -> f.ops().head().softcapForward(y.tensor(), x.tensor(), cap);
        }
    }

    /** dx = dy (1 - (y / cap)^2). */
    public record SoftcapBackward(int n, float cap, boolean alias) implements OpCase {
        @Override
        public String operation() {
            return "softcap_backward";
        }

        @Override
        public DType dtype() {
            return DType.F32;
        }

        @Override
        public double flops() {
            return 4.0 * n;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand y = f.input("y", DType.F32, Draw.uniform(-cap, cap), n);
            Operand dy = drawn(f, alias, "dy", DType.F32, Draw.normal(1), n);
            Operand dx = alias ? dy : f.output("dx", DType.F32, n);
            f.oracle(() -> {
                for (int i = 0; i < n; i++) {
                    double share = y.value(i) / cap;
                    dx.expect(i, dy.value(i) * (1 - share * share), 3 * Sum.EPS * Math.abs(dy.value(i)));
                }
            });
            return () -> f.ops().head().softcapBackward(dx.tensor(), dy.tensor(), y.tensor(), cap);
        }
    }
}
