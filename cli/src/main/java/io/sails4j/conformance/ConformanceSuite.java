package io.sails4j.conformance;

import io.sails4j.NativeException;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.Backend;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;

/** Runs every case on an engine. */
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
        cases.addAll(DecodeCases.all());
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

    /** Runs the cases of some operations as below, each call twice. */
    public static List<CaseResult> run(Engine engine, long seed, Set<String> operations, Consumer<CaseResult> progress) {
        return run(engine, seed, operations, true, progress);
    }

    /**
     * Runs the cases of some operations.
     *
     * @param seed decides every drawn number
     * @param operations names as in {@code sails.h} without {@code sails_}; empty: all
     * @param twice whether each operation is called a second time, which must give the same bits
     * @param progress told of each result as it comes
     * @return one result per case, in the order of {@link #cases()}; an emulated device leaves out the large ones
     */
    public static List<CaseResult> run(Engine engine, long seed, Set<String> operations, boolean twice, Consumer<CaseResult> progress) {
        List<CaseResult> results = new ArrayList<>();
        for (OpCase opCase : cases()) {
            if (!operations.isEmpty() && !operations.contains(opCase.operation())
                || opCase.large() && engine.backend() == Backend.EMULATOR) {
                continue;
            }
            CaseResult result = run(engine, seed, opCase, twice);
            results.add(result);
            progress.accept(result);
        }
        return results;
    }

    /** Runs one case. */
    public static CaseResult run(Engine engine, long seed, OpCase opCase, boolean twice) {
        try (Fixture fixture = new Fixture(engine, seed ^ (opCase.operation() + opCase).hashCode() * 0x9e3779b97f4a7c15L)) {
            Runnable call = opCase.prepare(fixture);
            return fixture.run(call, twice).result(opCase);
        } catch (NativeException | IllegalArgumentException e) {
            return new CaseResult(opCase.operation(), opCase.describe(), opCase.dtype(), 0, Double.NaN, 0, false,
                String.valueOf(e.getMessage()));
        }
    }
}
