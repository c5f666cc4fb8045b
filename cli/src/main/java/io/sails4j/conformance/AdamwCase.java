package io.sails4j.conformance;

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
                n)))
            .toList();
        AdamwRatesCase numbers = new AdamwRatesCase(step, gradScale, options);
        Operand rates = numbers.room(f);
        f.oracle(() -> {
            numbers.expect(rates);
            groups.forEach(this::expect);
        });
        List<Tensor> params = groups.stream().map(g -> g.param.tensor()).toList();
        List<Tensor> m = groups.stream().map(g -> g.m.tensor()).toList();
        List<Tensor> v = groups.stream().map(g -> g.v.tensor()).toList();
        List<Tensor> grads = groups.stream().map(g -> g.grad.tensor()).toList();
        return () -> {
            numbers.call(f, rates);
            f.ops().optimizer().adamw(params, m, v, grads, rates.tensor());
        };
    }

    private void expect(Group group) {
        for (int i = 0; i < group.param.values().length; i++) {
            Step next = Step.of(group.param.value(i), group.m.value(i), group.v.value(i), gradScale * group.grad.value(i), 0, step,
                options);
            group.m.expect(i, next.m, next.mError);
            group.v.expect(i, next.v, next.vError);
            group.param.expect(i, next.param, next.paramError);
        }
    }

    /** One element's new values, and how far float32 may be off. */
    record Step(double m, double mError, double v, double vError, double param, double paramError) {
        /** @param gError how far g itself may be off */
        static Step of(double param, double m, double v, double g, double gError, long step, AdamwOptions o) {
            double oldM = o.beta1() * m;
            double newM = oldM + (1 - o.beta1()) * g;
            double mError = 2 * Sum.EPS * (Math.abs(oldM) + Math.abs((1 - o.beta1()) * g)) + (1 - o.beta1()) * gError;
            double newV = o.beta2() * v + (1 - o.beta2()) * g * g;
            double vInherited = (1 - o.beta2()) * gError * (2 * Math.abs(g) + gError);
            double decayed = param * (1 - o.lr() * o.weightDecay());
            double correction = Math.sqrt(1 - Math.pow(o.beta2(), step));
            double denominator = Math.sqrt(newV) / correction + o.eps();
            double least = Math.sqrt(Math.max(0, newV - vInherited)) / correction + o.eps();
            double most = Math.sqrt(newV + vInherited) / correction + o.eps();
            double size = o.lr() / (1 - Math.pow(o.beta1(), step));
            double update = size * newM / denominator;
            double error = Sum.EPS * (2 * Math.abs(decayed) + 6 * Math.abs(update)) + size * mError / least
                + Math.abs(update) * (most - least) / least;
            return new Step(newM, mError, newV, 3 * Sum.EPS * newV + vInherited, decayed - update, error);
        }
    }
}
