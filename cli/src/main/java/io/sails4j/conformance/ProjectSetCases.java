package io.sails4j.conformance;

import io.sails4j.ops.AdamwOptions;
import io.sails4j.ops.Projected;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/** Whole sets of matrices held to subspaces: by one call, and by the optimizer's own step. */
public final class ProjectSetCases {
    /** An adapter's worth of modules of different widths, sides and ranks, some of them empty. */
    private static final List<Size> MIXED = List.of(new Size(64, 16, 16, false), new Size(64, 16, 16, true), new Size(131, 33, 7, false),
        new Size(8, 0, 3, true), new Size(8, 3, 0, false), new Size(1, 1, 1, true), new Size(515, 70, 16, true),
        new Size(300, 40, 8, false));

    private ProjectSetCases() {
    }

    static List<OpCase> all() {
        AdamwOptions usual = new AdamwOptions(1e-3, 0.9, 0.999, 1e-8, 0.01);
        AdamwOptions odd = new AdamwOptions(0.1, 0.5, 0.95, 1e-3, 0);
        List<OpCase> cases = new ArrayList<>();
        for (List<Size> sizes : List.of(List.<Size>of(), List.of(new Size(17, 5, 3, false)), MIXED, many(33), many(70))) {
            cases.add(new ProjectSet(sizes, false));
            cases.add(new ProjectSet(sizes, true));
            for (Projected projected : Projected.values()) {
                cases.add(new AdamwProjected(sizes, projected, 1, 1, usual));
                cases.add(new AdamwProjected(sizes, projected, 1000, 0.125, odd));
            }
        }
        return cases;
    }

    /** More matrices than fit into the arguments of one launch. */
    private static List<Size> many(int count) {
        List<Size> sizes = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            sizes.add(new Size(9 + i % 5, 1 + i % 7, i % 4, i % 3 == 0));
        }
        return List.copyOf(sizes);
    }

    /** One matrix, [d, n] or [n, d] where {@code right}, and its basis [d, r_s]. */
    public record Size(int d, int rS, int n, boolean right) {
        private Operand basis(Fixture f) {
            return f.input("basis", DType.F32, ProjectCases.basis(f, d, rS), d, rS);
        }

        private long[] shape() {
            return ProjectCases.shape(d, n, right);
        }

        private double flops() {
            return 4.0 * d * rS * n;
        }
    }

    private static double flops(List<Size> sizes) {
        return sizes.stream().mapToDouble(Size::flops).sum();
    }

    private static boolean[] sides(List<Size> sizes) {
        boolean[] right = new boolean[sizes.size()];
        for (int i = 0; i < right.length; i++) {
            right[i] = sizes.get(i).right;
        }
        return right;
    }

    private static List<Tensor> tensors(List<Operand> operands) {
        return operands.stream().map(Operand::tensor).toList();
    }

    private static String summary(List<Size> sizes) {
        return sizes.size() + " matrices" + (sizes.isEmpty() ? "" : ", first " + sizes.getFirst());
    }

    /** y[i] = P[i] g[i] or g[i] P[i]. */
    public record ProjectSet(List<Size> sizes, boolean alias) implements OpCase {
        @Override
        public String operation() {
            return "project_set";
        }

        @Override
        public DType dtype() {
            return DType.F32;
        }

        @Override
        public double flops() {
            return ProjectSetCases.flops(sizes);
        }

        @Override
        public String describe() {
            return summary(sizes) + ", alias=" + alias;
        }

        @Override
        public Runnable prepare(Fixture f) {
            List<Operand> bases = sizes.stream().map(s -> s.basis(f)).toList();
            List<Operand> gs = sizes.stream().map(s -> alias ? f.updated("g", DType.F32, Draw.normal(1), s.shape())
                : f.input("g", DType.F32, Draw.normal(1), s.shape())).toList();
            List<Operand> ys = alias ? gs : sizes.stream().map(s -> f.output("y", DType.F32, s.shape())).toList();
            f.oracle(() -> {
                for (int i = 0; i < sizes.size(); i++) {
                    Size s = sizes.get(i);
                    Sum[] expected = ProjectCases.project(gs.get(i).values(), bases.get(i).values(), s.d, s.rS, s.n, s.right);
                    for (int e = 0; e < expected.length; e++) {
                        ys.get(i).expect(e, expected[e].value(), expected[e].error());
                    }
                }
            });
            List<Tensor> out = tensors(ys);
            List<Tensor> in = tensors(gs);
            List<Tensor> spaces = tensors(bases);
            return () -> f.ops().optimizer().projectSet(out, in, spaces, sides(sizes));
        }
    }

    /** AdamW on the projected gradient, or the projection of what AdamW made. */
    public record AdamwProjected(List<Size> sizes, Projected projected, long step, double gradScale, AdamwOptions options)
        implements OpCase {
        @Override
        public String operation() {
            return "adamw_projected";
        }

        @Override
        public DType dtype() {
            return DType.F32;
        }

        @Override
        public double flops() {
            return ProjectSetCases.flops(sizes) + 15.0 * sizes.stream().mapToInt(s -> s.d * s.n).sum();
        }

        @Override
        public String describe() {
            return summary(sizes) + ", " + projected + ", step=" + step + ", gradScale=" + gradScale + ", " + options;
        }

        private record Group(Size size, Operand basis, Operand param, Operand m, Operand v, Operand grad) {
        }

        @Override
        public Runnable prepare(Fixture f) {
            // At step 1 the moments are zero.
            double history = step == 1 ? 0 : 1;
            List<Group> groups = sizes.stream().map(s -> new Group(s, s.basis(f), f.updated("param", DType.F32, Draw.normal(1), s.shape()),
                f.updated("m", DType.F32, Draw.normal(history), s.shape()),
                f.updated("v", DType.F32, Draw.uniform(0, 2 * history), s.shape()),
                f.input("grad", DType.F32, Draw.normal(1), s.shape()))).toList();
            AdamwRatesCase numbers = new AdamwRatesCase(step, gradScale, options);
            Operand rates = numbers.room(f);
            f.oracle(() -> {
                numbers.expect(rates);
                groups.forEach(this::expect);
            });
            List<Tensor> params = tensors(groups.stream().map(Group::param).toList());
            List<Tensor> m = tensors(groups.stream().map(Group::m).toList());
            List<Tensor> v = tensors(groups.stream().map(Group::v).toList());
            List<Tensor> grads = tensors(groups.stream().map(Group::grad).toList());
            List<Tensor> bases = tensors(groups.stream().map(Group::basis).toList());
            return () -> {
                numbers.call(f, rates);
                f.ops().optimizer().adamwProjected(params, m, v, grads, bases, sides(sizes), projected, rates.tensor());
            };
        }

        private void expect(Group g) {
            int n = g.param.values().length;
            Size s = g.size;
            Sum[] gradient = ProjectCases.project(g.grad.values(), g.basis.values(), s.d, s.rS, s.n, s.right);
            double[] param = new double[n];
            double[] error = new double[n];
            for (int i = 0; i < n; i++) {
                boolean before = projected == Projected.GRADIENT;
                double value = before ? gradient[i].value() : g.grad.value(i);
                double off = before ? gradient[i].error() : 0;
                AdamwCase.Step next = AdamwCase.Step.of(g.param.value(i), g.m.value(i), g.v.value(i), gradScale * value, gradScale * off,
                    step,
                    options);
                g.m.expect(i, next.m(), next.mError());
                g.v.expect(i, next.v(), next.vError());
                param[i] = next.param();
                error[i] = next.paramError();
            }
            if (projected == Projected.UPDATE) {
                Sum[] inside = ProjectCases.project(param, error, g.basis.values(), s.d, s.rS, s.n, s.right);
                for (int i = 0; i < n; i++) {
                    param[i] = inside[i].value();
                    error[i] = inside[i].error();
                }
            }
            for (int i = 0; i < n; i++) {
                g.param.expect(i, param[i], error[i]);
            }
        }
    }
}
