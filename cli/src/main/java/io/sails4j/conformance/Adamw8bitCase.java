package io.sails4j.conformance;

import io.sails4j.ops.AdamwOptions;
import io.sails4j.ops.DynamicCode;
import io.sails4j.ops.OptimizerOps;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * One AdamW step with moments in 8 bits by blocks (arXiv:2110.02861). The codes that come out must be the nearest ones: no further from the
 * exact moment than the nearest is, up to how far float32 may have moved the moment.
 *
 * @param history size of the moments before the step, 0 = none
 */
public record Adamw8bitCase(List<Integer> sizes, long step, double history, double gradScale, AdamwOptions options) implements OpCase {
    private static final int BLOCK = OptimizerOps.ADAMW_BLOCK;

    static List<OpCase> all() {
        AdamwOptions usual = new AdamwOptions(1e-3, 0.9, 0.999, 1e-8, 0.01);
        AdamwOptions odd = new AdamwOptions(0.1, 0.5, 0.95, 1e-3, 0);
        List<OpCase> cases = new ArrayList<>();
        cases.add(new Adamw8bitCase(List.of(1000, 0, 1, 255, 256, 257, 4099), 1, 0, 1, usual));
        cases.add(new Adamw8bitCase(List.of(1000, 0, 1, 255, 256, 257, 4099), 2, 1, 1, usual));
        cases.add(new Adamw8bitCase(List.of(777), 1000, 1e-6, 0.125, odd));
        cases.add(new Adamw8bitCase(List.of(20_003), 7, 1, 1, usual));
        cases.add(new Adamw8bitCase(Stream.iterate(0, n -> n + 7).limit(120).toList(), 7, 1, 1, usual));
        cases.add(new Adamw8bitCase(List.of(), 1, 1, 1, usual));
        return cases;
    }

    @Override
    public String operation() {
        return "adamw_8bit";
    }

    @Override
    public DType dtype() {
        return DType.F32;
    }

    @Override
    public double flops() {
        return 15.0 * sizes.stream().mapToInt(n -> n).sum();
    }

    /** Codes, four an element, and the scales of their blocks. */
    private record Moment(Operand q, Operand absmax, float[] code) {
        double before(int i) {
            return code[((int) q.value(i / 4) >>> 8 * (i % 4)) & 0xff] * absmax.value(i / BLOCK);
        }

        /** Holds what the call left against the exact moments. */
        void check(Fixture f, String name, double[] exact, double[] error) {
            double[] packed = q.download();
            for (int b = 0; b < exact.length / BLOCK; b++) {
                double largest = 0;
                double largestError = 0;
                for (int i = b * BLOCK; i < (b + 1) * BLOCK; i++) {
                    largest = Math.max(largest, Math.abs(exact[i]));
                    largestError = Math.max(largestError, error[i]);
                }
                absmax.expect(b, largest, largestError);
                for (int i = b * BLOCK; i < (b + 1) * BLOCK; i++) {
                    double x = largest == 0 ? 0 : exact[i] / largest;
                    double xError = largest == 0 ? 0 : (error[i] + Math.abs(x) * largestError) / largest + 3 * Sum.EPS * Math.abs(x);
                    double got = Math.abs(code[((int) packed[i / 4] >>> 8 * (i % 4)) & 0xff] - x);
                    f.compare(name + " code " + i, got, distance(x), 8 * xError + Sum.EPS * got);
                }
            }
            for (int i = 0; i < packed.length; i++) {
                q.expectExactly(i, packed[i]);
            }
        }

        private double distance(double x) {
            double least = Double.POSITIVE_INFINITY;
            for (float c : code) {
                least = Math.min(least, Math.abs(c - x));
            }
            return least;
        }
    }

    private record Group(Operand param, Moment m, Moment v, Operand grad) {
    }

    private Moment moment(Fixture f, String name, float[] code, long n) {
        long[] state = OptimizerOps.adamw8bitSizes(n);
        return new Moment(f.updated(name, DType.I32, (random, i) -> random.nextInt(), state[0]),
            f.updated(name + "_absmax", DType.F32, Draw.uniform(0, history), state[1]), code);
    }

    @Override
    public Runnable prepare(Fixture f) {
        float[] signed = DynamicCode.signed();
        float[] unsigned = DynamicCode.unsigned();
        List<Group> groups = sizes.stream().map(n -> new Group(f.updated("param", DType.F32, Draw.normal(1), n), moment(f, "m", signed, n),
            moment(f, "v", unsigned, n), f.input("grad", DType.F32, (random, i) -> i % 7 == 3 ? 0
                : random.nextGaussian() * Math.pow(10, -random.nextInt(6)), n)))
            .toList();
        Operand mCode = f.input("m_code", DType.F32, (random, i) -> signed[i], BLOCK);
        Operand vCode = f.input("v_code", DType.F32, (random, i) -> unsigned[i], BLOCK);
        AdamwRatesCase numbers = new AdamwRatesCase(step, gradScale, options);
        Operand rates = numbers.room(f);
        f.oracle(() -> {
            numbers.expect(rates);
            groups.forEach(group -> expect(f, group));
        });
        return () -> {
            numbers.call(f, rates);
            f.ops().optimizer().adamw8bit(tensors(groups, Group::param), tensors(groups, g -> g.m.q), tensors(groups, g -> g.v.q),
                tensors(groups, g -> g.m.absmax), tensors(groups, g -> g.v.absmax), tensors(groups, Group::grad), mCode.tensor(),
                vCode.tensor(),
                rates.tensor());
        };
    }

    private static List<Tensor> tensors(List<Group> groups, Function<Group, Operand> part) {
        return groups.stream().map(g -> part.apply(g).tensor()).toList();
    }

    private void expect(Fixture f, Group group) {
        int n = group.param.values().length;
        int padded = Math.ceilDiv(n, BLOCK) * BLOCK;
        double[][] exact = new double[2][padded];
        double[][] error = new double[2][padded];
        for (int i = 0; i < n; i++) {
            double m = group.m.before(i);
            AdamwCase.Step next = AdamwCase.Step.of(group.param.value(i), m, group.v.before(i), gradScale * group.grad.value(i), 0, step,
                options);
            exact[0][i] = next.m();
            exact[1][i] = next.v();
            error[0][i] = next.mError() + Sum.EPS * Math.abs(options.beta1() * m);
            error[1][i] = next.vError() + Sum.EPS * options.beta2() * group.v.before(i);
            group.param.expect(i, next.param(), next.paramError());
        }
        group.m.check(f, "m", exact[0], error[0]);
        group.v.check(f, "v", exact[1], error[1]);
    }
}
