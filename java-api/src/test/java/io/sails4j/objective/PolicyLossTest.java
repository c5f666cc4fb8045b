package io.sails4j.objective;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sails4j.config.Projection;
import io.sails4j.data.Origin;
import io.sails4j.data.TokenPrompt;
import io.sails4j.data.TokenSequence;
import io.sails4j.data.Wanted;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelSession;
import io.sails4j.model.ModelWeights;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.testing.LlamaOracle;
import io.sails4j.testing.TinyModel;
import io.sails4j.train.Batching;
import io.sails4j.train.Grade;
import io.sails4j.train.Objective;
import io.sails4j.train.ObjectiveOptions;
import io.sails4j.train.PolicyTask;
import io.sails4j.train.Reward;
import io.sails4j.trainable.LoraTrainable;
import io.sails4j.trainable.Trainable;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** RLOO and GRPO on fixed answers against double arithmetic written from the papers. */
class PolicyLossTest {
    private static final double BETA = 0.3;
    private static final double CLIP = 0.1;
    private static final double STEP = 1e-5;
    private static final int PROMPT = 4;
    private static final double[] REWARDS = {1, 0, 0.5, -1, 2, 0.25};

    private final Engine engine = Engine.open(EngineOptions.defaults());
    private final CausalModel model = new CausalModel(engine, ModelWeights.random(TinyModel.LLAMA, engine, DType.F32, 11), false);
    private final LoraAdapter adapter = TinyModel.randomAdapter(engine, 3, TinyModel.LLAMA,
        EnumSet.of(Projection.DOWN_PROJ));
    private final LoraTrainable trainable = new LoraTrainable(adapter, engine.device());
    private final ModelSession session = ModelSession.open(model);
    private final PassContext context = PassContext.of(session);
    private final PassContext packed = PassContext.of(session, true);

    @AfterEach
    void close() {
        context.close();
        packed.close();
        session.close();
        trainable.close();
        adapter.close();
        model.close();
        engine.close();
    }

    /** Three answers to each of two prompts, of different lengths. */
    private static List<PolicySample> answers() {
        Random random = new Random(5);
        List<PolicySample> samples = new ArrayList<>();
        for (int i = 0; i < REWARDS.length; i++) {
            int answer = 3 + i % 4;
            int[] ids = random.ints(PROMPT + answer, 0, 61).toArray();
            boolean[] counted = new boolean[ids.length];
            Arrays.fill(counted, PROMPT, ids.length, true);
            samples.add(PolicySample.graded(i / 3, new TokenSequence(ids, counted), answer, Grade.of(REWARDS[i])));
        }
        return samples;
    }

    private static PolicyLoss loss(Objective objective, double beta) {
        List<TokenPrompt> prompts = IntStream.range(0, 2)
            .mapToObj(i -> new TokenPrompt(new int[] {1}, "", Wanted.UNKNOWN, Origin.line(Path.of("p"), i + 1))).toList();
        ObjectiveOptions options = ObjectiveOptions.of(objective).withPolicy(p -> {
            p.klBeta = beta;
            p.samples = 3;
            p.clip = objective == Objective.GRPO ? CLIP : p.clip;
        });
        return new PolicyLoss(new PolicyTask(prompts, Reward.of(_ -> 0), Arrays::toString, Set.of()), options,
            PolicyPlan.of(2, options.policy(), Batching.defaults(), 1), 1, true);
    }

    private static double[] doubles(Tensor tensor) {
        float[] values = tensor.toFloatArray();
        return IntStream.range(0, values.length).mapToDouble(i -> values[i]).toArray();
    }

    private Map<String, double[]> values() {
        Map<String, double[]> values = new TreeMap<>();
        trainable.parameters().forEach(p -> values.put(p.name(), doubles(p.value())));
        return values;
    }

    private void disturb(double by) {
        Random random = new Random(9);
        for (Trainable.Parameter p : trainable.parameters()) {
            float[] values = p.value().toFloatArray();
            for (int i = 0; i < values.length; i++) {
                values[i] += (float) (by * random.nextGaussian());
            }
            p.value().upload(values);
        }
        trainable.publish();
    }

    private double[] gradient(PassContext where, Loss loss, List<int[]> microBatches, double totalWeight) {
        trainable.zeroGradients();
        microBatches.forEach(micro -> loss.sumAndGradient(where, trainable, micro, totalWeight));
        trainable.collectGradients();
        return trainable.parameters().stream().flatMapToDouble(p -> Arrays.stream(doubles(p.gradient()))).toArray();
    }

    private static double norm(double[] v) {
        return Math.sqrt(Arrays.stream(v).map(x -> x * x).sum());
    }

    // ---------------------------------------------------------------- double arithmetic

    /** Log-probabilities of each answer's tokens, with factors added to the weights where there are some. */
    private double[][] logps(Map<String, double[]> factors) {
        Map<String, double[]> weights = new TreeMap<>();
        model.weights().parameters().forEach((name, tensor) -> weights.put(name, doubles(tensor)));
        if (!factors.isEmpty()) {
            adapter.modules().forEach((module, f) -> {
                double[] w = weights.get(module.path() + ".weight");
                double[] a = factors.get(module.path() + ".lora_A.weight");
                double[] b = factors.get(module.path() + ".lora_B.weight");
                int r = (int) f.r();
                int dIn = a.length / r;
                for (int at = 0; at < w.length; at++) {
                    for (int k = 0; k < r; k++) {
                        w[at] += f.scale() * b[at / dIn * r + k] * a[k * dIn + at % dIn];
                    }
                }
            });
        }
        LlamaOracle oracle = new LlamaOracle(TinyModel.LLAMA, weights);
        return answers().stream().map(s -> {
            double[][] logits = oracle.logits(s.sequence().ids());
            return IntStream.range(0, s.answerTokens())
                .mapToDouble(t -> LlamaOracle.logSoftmax(logits[PROMPT + t - 1])[s.sequence().ids()[PROMPT + t]]).toArray();
        }).toArray(double[][]::new);
    }

    private static double sum(double[] values) {
        return Arrays.stream(values).sum();
    }

    /** The papers' losses of all answers, their mean. */
    private static double expected(Objective objective, double[][] now, double[][] old, double[][] reference) {
        double total = 0;
        for (int i = 0; i < REWARDS.length; i++) {
            int group = i / 3 * 3;
            double value = 0;
            if (objective == Objective.RLOO) {
                double others = 0;
                for (int j = group; j < group + 3; j++) {
                    others += j == i ? 0 : (REWARDS[j] - BETA * (sum(old[j]) - sum(reference[j]))) / 2;
                }
                value = (REWARDS[i] - BETA * (sum(old[i]) - sum(reference[i])) - others) * sum(now[i]);
            } else {
                double mean = (REWARDS[group] + REWARDS[group + 1] + REWARDS[group + 2]) / 3;
                double squares = 0;
                for (int j = group; j < group + 3; j++) {
                    squares += (REWARDS[j] - mean) * (REWARDS[j] - mean);
                }
                double advantage = (REWARDS[i] - mean) / (Math.sqrt(squares / 2) + 1e-4);
                for (int t = 0; t < now[i].length; t++) {
                    double ratio = Math.exp(now[i][t] - old[i][t]);
                    double d = Math.exp(reference[i][t] - now[i][t]);
                    value += (Math.min(ratio * advantage, Math.max(1 - CLIP, Math.min(1 + CLIP, ratio)) * advantage)
                        - BETA * (d - Math.log(d) - 1)) / now[i].length;
                }
            }
            total -= value;
        }
        return total / REWARDS.length;
    }

    @ParameterizedTest
    @EnumSource(names = {"RLOO", "GRPO"})
    void lossAndGradientAreThoseOfDoubleArithmetic(Objective objective) {
        PolicyLoss loss = loss(objective, BETA);
        loss.learnFrom(context, trainable.adapters(), answers(), 1000);
        double[][] old = logps(values());
        double[][] reference = logps(Map.of());
        disturb(0.02);
        int[] all = IntStream.range(0, REWARDS.length).toArray();
        double[] gradient = gradient(context, loss, List.of(all), REWARDS.length);
        Map<String, double[]> values = values();
        assertThat(loss.sum(context, trainable.adapters(), all) / REWARDS.length)
            .isCloseTo(expected(objective, logps(values), old, reference), within(1e-4));
        if (objective == Objective.GRPO) {
            assertThat(loss.metrics().clipFraction()).as("some ratios are clipped, not all").isBetween(0.05, 0.95);
        }
        int at = 0;
        Random random = new Random(8);
        for (Trainable.Parameter p : trainable.parameters()) {
            double[] original = values.get(p.name());
            double[] own = Arrays.copyOfRange(gradient, at, at += original.length);
            double[] direction = random.doubles(original.length, -1, 1).toArray();
            double length = norm(direction);
            double product = IntStream.range(0, own.length).mapToDouble(i -> own[i] * direction[i] / length).sum();
            double[] sides = new double[2];
            for (int side = 0; side < 2; side++) {
                double step = (side == 0 ? STEP : -STEP) / length;
                values.put(p.name(), IntStream.range(0, own.length).mapToDouble(i -> original[i] + step * direction[i]).toArray());
                sides[side] = expected(objective, logps(values), old, reference);
            }
            values.put(p.name(), original);
            assertThat(norm(own)).as(p.name()).isPositive();
            assertThat(product).as(p.name()).isCloseTo((sides[0] - sides[1]) / (2 * STEP), within(1e-3 * norm(own) + 1e-7));
        }
    }

    @Test
    void atRatioOneTheGradientOfGrpoIsThatOfReinforce() {
        PolicyLoss loss = loss(Objective.GRPO, 0);
        loss.learnFrom(context, trainable.adapters(), answers(), 1000);
        int[] all = IntStream.range(0, REWARDS.length).toArray();
        double[] grpo = gradient(context, loss, List.of(all), REWARDS.length);
        // The gradient of -A log pi(y) / (n |y|), answer by answer, from the likelihood of supervised training.
        SftLoss likelihood = new SftLoss(loss.samples().stream().map(PolicySample::sequence).toList());
        trainable.zeroGradients();
        for (PolicySample sample : loss.samples()) {
            likelihood.sumAndGradient(context, trainable, new int[] {loss.samples().indexOf(sample)},
                REWARDS.length * sample.answerTokens() / sample.advantage());
        }
        trainable.collectGradients();
        double[] reinforce = trainable.parameters().stream().flatMapToDouble(p -> Arrays.stream(doubles(p.gradient()))).toArray();
        double[] difference = IntStream.range(0, grpo.length).mapToDouble(i -> grpo[i] - reinforce[i]).toArray();
        assertThat(norm(difference)).isLessThan(1e-5 * norm(reinforce));
        assertThat(loss.metrics().clipFraction()).isZero();
    }

    @ParameterizedTest
    @EnumSource(names = {"RLOO", "GRPO"})
    void anySplitAndPackingGivesTheGradientOfOneBatch(Objective objective) {
        PolicyLoss loss = loss(objective, BETA);
        loss.learnFrom(context, trainable.adapters(), answers(), 20);
        disturb(0.01);
        int[] all = IntStream.range(0, REWARDS.length).toArray();
        double[] whole = gradient(context, loss, List.of(all), REWARDS.length);
        double[] parts = gradient(context, loss, List.of(new int[] {0, 4}, new int[] {1}, new int[] {5, 2, 3}), REWARDS.length);
        double[] rows = gradient(packed, loss, List.of(all), REWARDS.length);
        for (double[] other : List.of(parts, rows)) {
            assertThat(norm(IntStream.range(0, whole.length).mapToDouble(i -> other[i] - whole[i]).toArray()))
                .isLessThan(1e-4 * norm(whole));
        }
    }

    @Test
    void theKlIsThatOfTheDefinitionOnAverageAndItsSlopeIsItsDerivative() {
        double[] policy = {0.5, 0.3, 0.15, 0.05};
        double[] reference = {0.1, 0.2, 0.3, 0.4};
        double kl = 0;
        double estimated = 0;
        for (int i = 0; i < policy.length; i++) {
            double logp = Math.log(policy[i]);
            double ref = Math.log(reference[i]);
            kl += policy[i] * (logp - ref);
            estimated -= policy[i] * ClippedTerm.of(logp, logp, ref, 0, CLIP, 1).value();
            for (double advantage : new double[] {-0.7, 0, 1.3}) {
                for (double old : new double[] {logp, logp - 0.05, logp + 0.5, logp - 0.5}) {
                    double h = 1e-6;
                    double slope = (ClippedTerm.of(logp + h, old, ref, advantage, CLIP, 0.2).value()
                        - ClippedTerm.of(logp - h, old, ref, advantage, CLIP, 0.2).value()) / (2 * h);
                    ClippedTerm term = ClippedTerm.of(logp, old, ref, advantage, CLIP, 0.2);
                    assertThat(term.slope()).isCloseTo(slope, within(1e-8));
                    assertThat(term.clipped()).isEqualTo(advantage > 0 && old == logp - 0.5 || advantage < 0 && old == logp + 0.5);
                }
            }
        }
        assertThat(estimated).isCloseTo(kl, within(1e-12));
    }

    @Test
    void advantagesCompareWithTheOthersAndAreNoneWhereAllAreTheSame() {
        assertThat(Advantages.leaveOneOut(new double[] {1, 0, 0.5})).containsExactly(0.75, -0.75, 0);
        assertThat(Advantages.normalised(new double[] {3, 1})).containsExactly(new double[] {1 / (Math.sqrt(2) + 1e-4),
            -1 / (Math.sqrt(2) + 1e-4)}, within(1e-12));
        assertThat(Advantages.leaveOneOut(new double[] {0.5, 0.5, 0.5})).containsOnly(0);
        assertThat(Advantages.normalised(new double[] {0.5, 0.5})).containsOnly(0);
    }

    @Test
    void theKlOfAnAnswerIsMeasuredAgainstTheModelWithoutItsAdapter() {
        PolicyLoss loss = loss(Objective.RLOO, BETA);
        loss.learnFrom(context, trainable.adapters(), answers(), 1000);
        double[][] now = logps(values());
        double[][] reference = logps(Map.of());
        double kl = IntStream.range(0, REWARDS.length).mapToDouble(i -> sum(now[i]) - sum(reference[i])).average().orElseThrow();
        assertThat(loss.metrics().kl()).isCloseTo(kl, within(1e-4));
        assertThat(loss.metrics().reward()).isCloseTo(sum(REWARDS) / REWARDS.length, within(1e-12));
        loss.learnFrom(context, AdapterStack.none(), answers(), 1000);
        assertThat(loss.metrics().kl()).isZero();
    }
}
