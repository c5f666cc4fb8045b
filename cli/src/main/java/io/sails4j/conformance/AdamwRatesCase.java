package io.sails4j.conformance;

import io.sails4j.ops.AdamwOptions;
import io.sails4j.ops.OptimizerOps;
import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.List;

/** What a step of AdamW does, as the numbers that the steps on the device read. */
public record AdamwRatesCase(long step, double gradScale, AdamwOptions options) implements OpCase {
    static List<OpCase> all() {
        AdamwOptions usual = new AdamwOptions(1e-3, 0.9, 0.999, 1e-8, 0.01);
        AdamwOptions odd = new AdamwOptions(0.1, 0.5, 0.95, 1e-3, 0);
        List<OpCase> cases = new ArrayList<>();
        for (long step : new long[] {1, 2, 1000, 10_000_000}) {
            cases.add(new AdamwRatesCase(step, 1, usual));
            cases.add(new AdamwRatesCase(step, 0.125, odd));
        }
        cases.add(new AdamwRatesCase(3, 1, new AdamwOptions(0, 0, 0, 0, 0)));
        return cases;
    }

    @Override
    public String operation() {
        return "adamw_rates";
    }

    @Override
    public DType dtype() {
        return DType.F32;
    }

    @Override
    public double flops() {
        return OptimizerOps.ADAMW_RATES;
    }

    @Override
    public Runnable prepare(Fixture f) {
        Operand rates = room(f);
        f.oracle(() -> expect(rates));
        return () -> call(f, rates);
    }

    /** Room for the numbers. */
    Operand room(Fixture f) {
        return f.output("rates", DType.F32, OptimizerOps.ADAMW_RATES);
    }

    /** Has them written. */
    void call(Fixture f, Operand rates) {
        f.ops().optimizer().adamwRates(rates.tensor(), step, gradScale, options);
    }

    void expect(Operand rates) {
        double[] exact = {gradScale, 1 - options.lr() * options.weightDecay(), options.beta1(), 1 - options.beta1(), options.beta2(),
            1 - options.beta2(),
            options.lr() / (1 - Math.pow(options.beta1(), step)), 1 / Math.sqrt(1 - Math.pow(options.beta2(), step)), options.eps()};
        for (int i = 0; i < exact.length; i++) {
            // Rounded once; what the doubles themselves are off is nothing beside it.
            rates.expect(i, exact[i], Sum.EPS * Math.abs(exact[i]));
        }
    }
}
