package io.sails4j.ops.conformance;

import io.sails4j.ops.AdamwOptions;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** One AdamW step on several tensors (arXiv:1711.05101, in the order of torch.optim.AdamW). */
public record AdamwCase(List<Integer> sizes, long step, double gradScale, AdamwOptions options) implements OpCase {
    static List<OpCase> all() {
        AdamwOptions usual = new AdamwOptions(1e-3, 0.9, 0.999, 1e-8, 0.01);
        AdamwOptions odd = new AdamwOptions(0.1, 0.5, 0.95, 1e-3, 0);
        List<OpCase> cases = new ArrayList<>();
        for (long step : new long[] {1, 2, 1000}) {
            cases.add(new AdamwCase(List.of(17, 0, 1, 4099, 64), step, 1, usual));
            cases.add(new AdamwCase(List.of(31), step, 0.125, odd));
        }
        cases.add(new AdamwCase(Stream.iterate(0, n -> n + 3).limit(150).toList(), 7, 1, usual));
        cases.add(new AdamwCase(List.of(20_003), 7, 1, usual));
        cases.add(new AdamwCase(List.of(), 1, 1, usual));
        return cases;
    }

    @Override
    public String operation() {
        return "adamw";
    }

    @Override
    public DType dtype() {
        return DType.F32;
    }

    @Override
    public double flops() {
        return 15.0 * sizes.stream().mapToInt(n -> n).sum();
    }

    private record Group(Operand param, Operand m, Operand v, Operand grad) {
    }

    @Override
    public Runnable prepare(Fixture f) {
        // At step 1 the moments are zero.
        double history = step == 1 ? 0 : 1;
        List<Group> groups = sizes.stream().map(n -> new Group(f.updated("param", DType.F32, Draw.normal(1), n),
            f.updated("m", DType.F32, Draw.normal(history), n), f.updated("v", DType.F32, Draw.uniform(0, 2 * history), n),
            f.input("grad", DType.F32, (random, i) -> i % 7 == 3 ? 0 : random.nextGaussian() * Math.pow(10, -random.nextInt(6)),
                n))).toList();
        f.oracle(() -> groups.forEach(this::expect));
        List<Tensor> params = groups.stream().map(g -> g.param.tensor()).toList();
        List<Tensor> m = groups.stream().map(g -> g.m.tensor()).toList();
        List<Tensor> v = groups.stream().map(g -> g.v.tensor()).toList();
        List<Tensor> grads = groups.stream().map(g -> g.grad.tensor()).toList();
        return () -> f.ops().adamw(params, m, v, grads, step, gradScale, options);
    }

    private void expect(Group group) {
        AdamwOptions o = options;
        for (int i = 0; i < group.param.values().length; i++) {
            double g = gradScale * group.grad.value(i);
            double oldM = o.beta1() * group.m.value(i);
            double m = oldM + (1 - o.beta1()) * g;
            double v = o.beta2() * group.v.value(i) + (1 - o.beta2()) * g * g;
            double mError = 2 * Sum.EPS * (Math.abs(oldM) + Math.abs((1 - o.beta1()) * g));
            double decayed = group.param.value(i) * (1 - o.lr() * o.weightDecay());
            double denominator = Math.sqrt(v) / Math.sqrt(1 - Math.pow(o.beta2(), step)) + o.eps();
            double size = o.lr() / (1 - Math.pow(o.beta1(), step));
            group.m.expect(i, m, mError);
            group.v.expect(i, v, 3 * Sum.EPS * v);
            double update = size * m / denominator;
            group.param.expect(i, decayed - update,
                Sum.EPS * (2 * Math.abs(decayed) + 6 * Math.abs(update)) + size * mError / denominator);
        }
    }
}
