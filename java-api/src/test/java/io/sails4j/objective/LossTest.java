package io.sails4j.objective;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sails4j.InputException;
import io.sails4j.data.Origin;
import io.sails4j.data.TokenSequence;
import io.sails4j.loop.StepHook;
import io.sails4j.loop.TrainingLoop;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ForwardPass;
import io.sails4j.model.ModelSession;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.ops.PreferenceKind;
import io.sails4j.tensor.Tensor;
import io.sails4j.testing.TinyModel;
import io.sails4j.train.ScheduleOptions;
import io.sails4j.train.TrainingOptions;
import io.sails4j.trainable.FullTrainable;
import io.sails4j.trainable.LoraTrainable;
import io.sails4j.trainable.Trainable;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class LossTest {
    private final Engine engine = Engine.open(EngineOptions.defaults());
    private final CausalModel model = TinyModel.open(engine);
    private final LoraAdapter adapter = TinyModel.randomAdapter(engine, 3);
    private final LoraTrainable trainable = new LoraTrainable(adapter, engine.device());
    private final ModelSession session = ModelSession.open(model);
    private final PassContext context = PassContext.of(session);
    private final PassContext packed = PassContext.of(session, true);

    @AfterEach
    void close() {
        context.close();
        packed.close();
        trainable.close();
        adapter.close();
        session.close();
        model.close();
        engine.close();
    }

    @Test
    void anySplitIntoMicroBatchesGivesTheGradientOfOneBatch() {
        splitsAgree(new SftLoss(TinyModel.sequences(7, 11)));
        splitsAgree(new PreferenceLoss(TinyModel.pairs(5, 12), 0.1));
        splitsAgree(new PreferenceLoss(TinyModel.pairs(5, 12), 0.1, PreferenceKind.IPO));
        splitsAgree(new PreferenceLoss(TinyModel.pairs(5, 12), 0.1, PreferenceKind.ORPO));
    }

    private void splitsAgree(Loss loss) {
        int[] all = IntStream.range(0, loss.size()).toArray();
        loss.prepare(context, all, 1000);
        Result whole = run(loss, List.of(all));
        Result single = run(loss, IntStream.range(0, loss.size()).mapToObj(i -> new int[] {i}).toList());
        Result uneven = run(loss, List.of(Arrays.copyOfRange(all, 0, 3), Arrays.copyOfRange(all, 3, all.length)));
        for (Result other : List.of(single, uneven)) {
            // Sums of as many terms as there are tokens, in another order, in f32.
            double tolerance = 16 * Math.ulp(1f) * Math.sqrt(100);
            assertThat(other.loss).isCloseTo(whole.loss, within(tolerance * whole.loss));
            assertThat(relativeError(other.gradient, whole.gradient)).isLessThan(tolerance);
        }
    }

    @Test
    void packedPaddedAndSingleSequencesHaveTheSameLossesAndGradients() {
        for (Loss loss : List.of(new SftLoss(TinyModel.sequences(9, 41)), new PreferenceLoss(TinyModel.pairs(6, 42), 0.2))) {
            int[] all = IntStream.range(0, loss.size()).toArray();
            loss.prepare(context, all, 1000);
            Result padded = run(loss, List.of(all));
            Result inRows = run(packed, loss, List.of(all));
            double tolerance = 16 * Math.ulp(1f) * Math.sqrt(100);
            assertThat(inRows.loss).isCloseTo(padded.loss, within(tolerance * padded.loss));
            assertThat(relativeError(inRows.gradient, padded.gradient)).isLessThan(tolerance);
            for (int example : all) {
                double alone = loss.sum(context, trainable.adapters(), new int[] {example});
                double withOthers = loss.sum(packed, trainable.adapters(), all) - loss.sum(packed, trainable.adapters(),
                    IntStream.of(all).filter(i -> i != example).toArray());
                assertThat(withOthers).as("example " + example).isCloseTo(alone, within(tolerance * padded.loss * loss.totalWeight(all)));
            }
        }
    }

    @Test
    void aPackedDocumentSeesNothingOfItsNeighbours() {
        SftLoss loss = new SftLoss(TinyModel.sequences(9, 43));
        List<TokenSequence> sequences = TinyModel.sequences(9, 43);
        float[] alone = tokenLosses(context, List.of(sequences.get(4)));
        float[] together = tokenLosses(packed, sequences);
        SequenceBatch batch = SequenceBatch.of(sequences, true);
        assertThat(batch.tokens().batch()).isLessThan(loss.size());
        for (int t = 0; t < alone.length; t++) {
            assertThat(together[batch.starts()[4] + t]).isCloseTo(alone[t], within(16 * Math.ulp(1f) * 10 * (1 + alone[t])));
        }
    }

    /** Of each pair: packed, padded to the longest of the batch, and alone, which pads nothing but the shorter answer. */
    @Test
    void aPairHasTheSameLossInEveryBatch() {
        PreferenceLoss loss = new PreferenceLoss(TinyModel.pairs(6, 42), 0.2);
        int[] all = IntStream.range(0, loss.size()).toArray();
        loss.prepare(context, all, 1000);
        List<PreferenceLoss.PairResult> padded = loss.evaluate(context, trainable.adapters(), all);
        List<PreferenceLoss.PairResult> inRows = loss.evaluate(packed, trainable.adapters(), all);
        assertThat(loss.batch(all, true).tokens().batch()).isLessThan(loss.batch(all, false).tokens().batch());
        for (int pair : all) {
            PreferenceLoss.PairResult alone = loss.evaluate(context, trainable.adapters(), new int[] {pair}).getFirst();
            for (PreferenceLoss.PairResult other : List.of(padded.get(pair), inRows.get(pair))) {
                // Each log-probability is a sum of a few of about 4, from sums over the widths of the model in f32.
                double tolerance = 16 * Math.ulp(1f) * Math.sqrt(100) * (1 + Math.abs(alone.alignedLogp()));
                assertThat(other.alignedLogp()).isCloseTo(alone.alignedLogp(), within(tolerance));
                assertThat(other.unalignedLogp()).isCloseTo(alone.unalignedLogp(), within(tolerance));
                assertThat(other.loss()).isCloseTo(alone.loss(), within(0.2 * 2 * tolerance));
            }
        }
    }

    /** One micro-batch of k examples, k of one, and something between: the same parameters after some optimizer steps. */
    @Test
    void accumulationTrainsAsTheBigBatchDoes() {
        for (boolean packing : new boolean[] {false, true}) {
            for (Loss loss : List.of(new SftLoss(TinyModel.sequences(12, 11)), new PreferenceLoss(TinyModel.pairs(12, 12), 0.1))) {
                float[] big = trained(loss, 10_000, packing);
                // Adam divides by the gradient's own size, so that a rounding of the gradient moves a parameter by as much, in 5 steps of
                // 1e-3 beside values of 0.2.
                for (int microTokens : new int[] {1, 30}) {
                    assertThat(relativeError(trained(loss, microTokens, packing), big)).as(loss.getClass() + " " + microTokens)
                        .isLessThan(1e-5);
                }
            }
        }
    }

    private float[] trained(Loss loss, int microTokens, boolean packing) {
        TrainingOptions options = TinyModel.training(5, 5, 1e-3).withBatching(b -> {
            b.batchTokens = 80;
            b.microBatchTokens = microTokens;
            b.packing = packing;
        }).with(t -> t.schedule = ScheduleOptions.constant());
        try (LoraAdapter fresh = TinyModel.randomAdapter(engine, 3); LoraTrainable tuned = new LoraTrainable(fresh, engine.device());
             TrainingLoop loop = new TrainingLoop(model, tuned, loss, options, StepHook.none(), System::nanoTime)) {
            if (microTokens == 1) {
                assertThat(loop.plan().steps().getFirst()).hasSizeGreaterThan(2).allSatisfy(micro -> assertThat(micro).hasSize(1));
            } else if (microTokens == 10_000) {
                assertThat(loop.plan().steps()).allSatisfy(step -> assertThat(step).hasSize(1));
            }
            loop.run(step -> {});
            return concat(tuned, Trainable.Parameter::value);
        }
    }

    @Test
    void aLiveReferenceGivesTheLossesOfTheCachedOne() {
        for (PreferenceKind kind : List.of(PreferenceKind.DPO, PreferenceKind.IPO)) {
            PreferenceLoss cached = new PreferenceLoss(TinyModel.pairs(5, 12), 0.3, kind);
            PreferenceLoss live = new PreferenceLoss(TinyModel.pairs(5, 12), 0.3, kind, true);
            int[] all = IntStream.range(0, cached.size()).toArray();
            cached.prepare(context, all, 1000);
            live.prepare(context, all, 1000);
            assertThat(live.hasReferenceLogps(0)).as("nothing is stored").isFalse();
            for (PassContext where : List.of(context, packed)) {
                Result once = run(where, cached, List.of(all));
                Result inStep = run(where, live, List.of(all));
                double tolerance = 16 * Math.ulp(1f) * Math.sqrt(100);
                assertThat(inStep.loss).isCloseTo(once.loss, within(tolerance * (1 + once.loss)));
                assertThat(relativeError(inStep.gradient, once.gradient)).isLessThan(tolerance);
                for (int i : all) {
                    PreferenceLoss.PairResult a = cached.evaluate(where, trainable.adapters(), all).get(i);
                    PreferenceLoss.PairResult b = live.evaluate(where, trainable.adapters(), all).get(i);
                    assertThat(b.alignedReward()).isCloseTo(a.alignedReward(), within(tolerance * (1 + Math.abs(a.alignedLogp()))));
                    assertThat(b.margin()).isCloseTo(a.margin(), within(tolerance * (1 + Math.abs(a.alignedLogp()))));
                }
            }
        }
    }

    private float[] tokenLosses(PassContext where, List<TokenSequence> sequences) {
        SequenceBatch batch = SequenceBatch.of(sequences, where.packing());
        try (ForwardPass pass = session.forward(batch.tokens(), trainable.adapters(), ForwardOptions.inference())) {
            return new HeadPass(where, pass, batch).tokenLosses();
        }
    }

    private record Result(double loss, float[] gradient) {
    }

    private Result run(Loss loss, List<int[]> microBatches) {
        return run(context, loss, microBatches);
    }

    private Result run(PassContext context, Loss loss, List<int[]> microBatches) {
        trainable.zeroGradients();
        int[] all = microBatches.stream().flatMapToInt(Arrays::stream).toArray();
        double weight = loss.totalWeight(all);
        double sum = 0;
        for (int[] micro : microBatches) {
            sum += loss.sumAndGradient(context, trainable, micro, weight);
        }
        return new Result(sum / weight, gradients());
    }

    private float[] gradients() {
        List<float[]> parts = new ArrayList<>();
        trainable.parameters().forEach(p -> parts.add(p.gradient().toFloatArray()));
        float[] all = new float[parts.stream().mapToInt(p -> p.length).sum()];
        int at = 0;
        for (float[] part : parts) {
            System.arraycopy(part, 0, all, at, part.length);
            at += part.length;
        }
        return all;
    }

    private static double relativeError(float[] a, float[] b) {
        double difference = 0;
        double norm = 0;
        for (int i = 0; i < a.length; i++) {
            difference += Math.pow((double) a[i] - b[i], 2);
            norm += (double) b[i] * b[i];
        }
        assertThat(norm).isPositive();
        return Math.sqrt(difference / norm);
    }

    @Test
    void gradientsAreThoseOfCentralDifferences() {
        directionalDerivative(new SftLoss(TinyModel.sequences(4, 21)));
        directionalDerivative(new PreferenceLoss(TinyModel.pairs(3, 22), 0.3));
        directionalDerivative(new PreferenceLoss(TinyModel.pairs(3, 22), 0.7, PreferenceKind.IPO));
        directionalDerivative(new PreferenceLoss(TinyModel.pairs(3, 22), 0.7, PreferenceKind.ORPO));
    }

    /** Along the gradient g the derivative is ||g||^2. */
    private void directionalDerivative(Loss loss) {
        int[] all = IntStream.range(0, loss.size()).toArray();
        loss.prepare(context, all, 1000);
        double norm = norm(run(loss, List.of(all)).gradient);
        double h = 3e-3 / norm;
        double up = shifted(loss, all, h);
        double down = shifted(loss, all, -2 * h);
        shifted(loss, all, h);
        // The losses have a rounding error of some eps each; the quotient's own error goes with the square of the step, which has length
        // 3e-3.
        double rounding = 8 * Math.ulp(1f) * Math.abs(up) / h;
        assertThat((up - down) / (2 * h)).isCloseTo(norm * norm, within(rounding + 2e-3 * norm * norm));
    }

    /** Moves the parameters along the stored gradient, by {@code step} times it, and gives the loss there. */
    private double shifted(Loss loss, int[] all, double step) {
        for (Trainable.Parameter p : trainable.parameters()) {
            engine.ops().elementwise().axpby(p.value(), p.gradient(), (float) step, 1);
        }
        return loss.mean(context, trainable.adapters(), all, 1000);
    }

    private static double norm(float[] values) {
        double sum = 0;
        for (float v : values) {
            sum += (double) v * v;
        }
        return Math.sqrt(sum);
    }

    @Test
    void everyParameterHasTheGradientOfCentralDifferencesInFullTraining() {
        try (FullTrainable full = new FullTrainable(model)) {
            SftLoss loss = new SftLoss(TinyModel.sequences(3, 31));
            int[] all = {0, 1, 2};
            double weight = loss.totalWeight(all);
            loss.sumAndGradient(context, full, all, weight);
            double norm = norm(concat(full));
            double h = 3e-3 / norm;
            double up = move(full, loss, all, h);
            double down = move(full, loss, all, -2 * h);
            double rounding = 8 * Math.ulp(1f) * Math.abs(up) / h;
            assertThat((up - down) / (2 * h)).isCloseTo(norm * norm, within(rounding + 2e-3 * norm * norm));
        }
    }

    private double move(FullTrainable full, Loss loss, int[] all, double step) {
        full.parameters().forEach(p -> engine.ops().elementwise().axpby(p.value(), p.gradient(), (float) step, 1));
        full.publish();
        return loss.mean(context, full.adapters(), all, 1000);
    }

    private static float[] concat(Trainable trainable) {
        return concat(trainable, Trainable.Parameter::gradient);
    }

    private static float[] concat(Trainable trainable, Function<Trainable.Parameter, Tensor> part) {
        List<Float> values = new ArrayList<>();
        for (Trainable.Parameter p : trainable.parameters()) {
            for (float v : part.apply(p).toFloatArray()) {
                values.add(v);
            }
        }
        float[] all = new float[values.size()];
        for (int i = 0; i < all.length; i++) {
            all[i] = values.get(i);
        }
        return all;
    }

    @Test
    void anExampleWithNothingToLearnIsRefused() {
        TokenSequence none = new TokenSequence(new int[] {1, 2}, new boolean[] {true, false});
        assertThatThrownBy(() -> new SftLoss(List.of(none))).isInstanceOf(InputException.class).hasMessageContaining("example 1");
        TokenSequence read = new TokenSequence(none.ids(), none.counted(), Origin.row(Path.of("pairs.safetensors"), 9));
        assertThatThrownBy(() -> new SftLoss(List.of(read))).isInstanceOf(InputException.class)
            .hasMessageContaining("row 9 of pairs.safetensors");
    }
}
