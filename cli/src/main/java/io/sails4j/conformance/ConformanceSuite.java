package io.sails4j.conformance;

import io.sails4j.NativeException;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.Backend;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.BiPredicate;
import org.jspecify.annotations.Nullable;

/** Runs every case on an engine, or on several. */
public final class ConformanceSuite {
    private ConformanceSuite() {
    }

    /** Every operation at every shape that is tested. */
    public static List<OpCase> cases() {
        List<OpCase> cases = new ArrayList<>();
        cases.addAll(ElementwiseCases.all());
        cases.addAll(RowCases.all());
        cases.addAll(MatmulCase.all());
        cases.addAll(EmbeddingCases.all());
        cases.addAll(RmsNormCases.all());
        cases.addAll(RopeCases.all());
        cases.addAll(AttentionCases.all());
        cases.addAll(ActivationCases.all());
        cases.addAll(HeadCases.all());
        cases.addAll(PreferenceCases.all());
        cases.addAll(SampleCase.all());
        cases.addAll(LoraCases.all());
        cases.addAll(LinearCases.all());
        cases.addAll(LinearSetCases.all());
        cases.addAll(QuantizedCases.all());
        cases.addAll(DecodeCases.all());
        cases.addAll(PagedCases.all());
        cases.addAll(ProjectCases.all());
        cases.addAll(AdamwRatesCase.all());
        cases.addAll(AdamwCase.all());
        cases.addAll(ProjectSetCases.all());
        cases.addAll(Adamw8bitCase.all());
        cases.addAll(DoraCases.all());
        cases.addAll(SaeEncodeCases.all());
        cases.addAll(SaeDecodeCases.all());
        cases.addAll(SaeWeightGradientCase.all());
        cases.addAll(SaeStatisticsCases.all());
        cases.addAll(StandardizeCases.all());
        cases.addAll(AdjointCases.all());
        return cases;
    }

    /**
     * Runs the cases of some operations on one engine.
     *
     * @param seed decides every drawn number
     * @param operations names as in {@code sails.h} without {@code sails_}; empty: all
     * @return one result per case, in the order of {@link #cases()}; an emulated device leaves out the large ones
     */
    public static List<CaseResult> run(Engine engine, long seed, Set<String> operations, Depth depth) {
        return run(List.of(engine), seed, (_, opCase) -> operations.isEmpty() || operations.contains(opCase.operation()), depth)
            .getFirst();
    }

    /**
     * The same on several engines, case by case: the arguments are the same on each, so that what must come out, which takes most of the
     * time, is computed once.
     *
     * @param wanted which cases an engine runs
     * @return the results of each engine
     */
    public static List<List<CaseResult>> run(List<Engine> engines, long seed, BiPredicate<Engine, OpCase> wanted, Depth depth) {
        List<List<CaseResult>> results = engines.stream().<List<CaseResult>>map(_ -> new ArrayList<>()).toList();
        for (OpCase opCase : cases()) {
            Fixture earlier = null;
            for (int i = 0; i < engines.size(); i++) {
                boolean tooLarge = opCase.large() && engines.get(i).backend() == Backend.EMULATOR;
                if (tooLarge || !wanted.test(engines.get(i), opCase)) {
                    continue;
                }
                Fixture fixture = new Fixture(engines.get(i), seed ^ (opCase.operation() + opCase).hashCode() * 0x9e3779b97f4a7c15L);
                results.get(i).add(run(fixture, opCase, depth, earlier));
                earlier = earlier == null ? fixture : earlier;
            }
        }
        return results;
    }

    private static CaseResult run(Fixture opened, OpCase opCase, Depth depth, @Nullable Fixture earlier) {
        try (Fixture fixture = opened) {
            Runnable call = opCase.prepare(fixture);
            return fixture.run(call, depth, earlier).result(opCase);
        } catch (NativeException | IllegalArgumentException e) {
            return new CaseResult(opCase.operation(), opCase.describe(), opCase.dtype(), 0, Double.NaN, 0, false,
                String.valueOf(e.getMessage()));
        }
    }
}
