package io.sails4j.conformance;

import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;

/** Projection onto the span of orthonormal columns. */
public final class ProjectCases {
    private ProjectCases() {
    }

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        for (int[] s : new int[][] {{8, 3, 0}, {8, 0, 3}, {1, 1, 1}, {17, 5, 3}, {64, 16, 16}, {131, 33, 7}, {31, 31, 19},
            {600, 40, 16}, {515, 130, 70}}) {
            for (boolean right : new boolean[] {false, true}) {
                cases.add(new Project(s[0], s[1], s[2], right, s[2] % 2 == 0));
                cases.add(new Projector(s[0], s[1], s[2], right));
            }
        }
        return cases;
    }

    /** Orthonormal columns; where they are only timed, short ones, so that what is projected again and again stays finite. */
    static Draw basis(Fixture f, int d, int rS) {
        return f.isTimed() ? Draw.normal(0.5 / Math.sqrt(d)) : Draw.of(orthonormal(f.random(), d, rS));
    }

    /** [d, r_s] with orthonormal columns, by Gram-Schmidt done twice. */
    static double[] orthonormal(RandomGenerator random, int d, int rS) {
        double[] u = new double[d * rS];
        for (int c = 0; c < rS; c++) {
            for (int i = 0; i < d; i++) {
                u[i * rS + c] = random.nextGaussian();
            }
            for (int pass = 0; pass < 2; pass++) {
                for (int other = 0; other < c; other++) {
                    addColumn(u, d, rS, c, other, -dotColumns(u, d, rS, c, other));
                }
            }
            double norm = Math.sqrt(dotColumns(u, d, rS, c, c));
            addColumn(u, d, rS, c, c, 1 / norm - 1);
        }
        return u;
    }

    private static double dotColumns(double[] u, int d, int rS, int a, int b) {
        double sum = 0;
        for (int i = 0; i < d; i++) {
            sum += u[i * rS + a] * u[i * rS + b];
        }
        return sum;
    }

    private static void addColumn(double[] u, int d, int rS, int to, int from, double factor) {
        for (int i = 0; i < d; i++) {
            u[i * rS + to] += factor * u[i * rS + from];
        }
    }

    /** The projection of g; {@code g} is [n, d] for right and [d, n] for left. */
    static Sum[] project(double[] g, double[] u, int d, int rS, int n, boolean right) {
        return project(g, new double[g.length], u, d, rS, n, right);
    }

    /** The same of a g that is itself off by up to {@code error}. */
    static Sum[] project(double[] g, double[] error, double[] u, int d, int rS, int n, boolean right) {
        Sum[] out = new Sum[d * n];
        Arrays.setAll(out, i -> new Sum());
        for (int j = 0; j < n; j++) {
            for (int c = 0; c < rS; c++) {
                Sum coefficient = new Sum();
                for (int i = 0; i < d; i++) {
                    int at = right ? j * d + i : i * n + j;
                    coefficient.add(g[at] * u[i * rS + c], error[at] * Math.abs(u[i * rS + c]));
                }
                for (int i = 0; i < d; i++) {
                    out[right ? j * d + i : i * n + j].add(coefficient.value() * u[i * rS + c],
                        coefficient.error() * Math.abs(u[i * rS + c]));
                }
            }
        }
        return out;
    }

    static long[] shape(int d, int n, boolean right) {
        return right ? new long[] {n, d} : new long[] {d, n};
    }

    /** y = U U^T g or g U U^T. */
    public record Project(int d, int rS, int n, boolean right, boolean alias) implements OpCase {
        @Override
        public String operation() {
            return "project";
        }

        @Override
        public DType dtype() {
            return DType.F32;
        }

        @Override
        public double flops() {
            return 4.0 * d * rS * n;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand basis = f.input("basis", DType.F32, basis(f, d, rS), d, rS);
            Operand g = alias ? f.updated("g", DType.F32, Draw.normal(1), shape(d, n, right))
                : f.input("g", DType.F32, Draw.normal(1), shape(d, n, right));
            Operand y = alias ? g : f.output("y", DType.F32, shape(d, n, right));
            f.oracle(() -> {
                Sum[] expected = project(g.values(), basis.values(), d, rS, n, right);
                for (int i = 0; i < expected.length; i++) {
                    y.expect(i, expected[i].value(), expected[i].error());
                }
            });
            return () -> f.ops().optimizer().project(y.tensor(), g.tensor(), basis.tensor(), right);
        }
    }

    /** P P = P, and &lt;a, P b&gt; = &lt;P a, b&gt;. */
    public record Projector(int d, int rS, int n, boolean right) implements OpCase {
        @Override
        public String operation() {
            return "project";
        }

        @Override
        public DType dtype() {
            return DType.F32;
        }

        @Override
        public double flops() {
            return 12.0 * d * rS * n;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand basis = f.input("basis", DType.F32, basis(f, d, rS), d, rS);
            Operand a = f.input("a", DType.F32, Draw.normal(1), shape(d, n, right));
            Operand b = f.input("b", DType.F32, Draw.normal(1), shape(d, n, right));
            Operand pa = f.intermediate("pa", DType.F32, shape(d, n, right));
            Operand pb = f.intermediate("pb", DType.F32, shape(d, n, right));
            Operand ppa = f.output("ppa", DType.F32, shape(d, n, right));
            f.oracle(() -> {
                double[] once = pa.download();
                double[] other = pb.download();
                // The basis itself is orthonormal to eps * sqrt(d) only.
                Sum[] again = project(once, basis.values(), d, rS, n, right);
                Sum left = new Sum();
                Sum middle = new Sum();
                for (int i = 0; i < once.length; i++) {
                    ppa.expect(i, once[i], again[i].error() + Sum.EPS * Math.sqrt(d) * again[i].magnitude());
                    left.add(a.value(i) * other[i], again[i].error() * Math.abs(a.value(i)));
                    middle.add(once[i] * b.value(i), again[i].error() * Math.abs(b.value(i)));
                }
                f.compare("<a, P b> = <P a, b>", left.value(), middle.value(), 4 * (left.error() + middle.error()));
            });
            return () -> {
                f.ops().optimizer().project(pa.tensor(), a.tensor(), basis.tensor(), right);
                f.ops().optimizer().project(pb.tensor(), b.tensor(), basis.tensor(), right);
                f.ops().optimizer().project(ppa.tensor(), pa.tensor(), basis.tensor(), right);
            };
        }
    }
}
