package io.sails4j.saeeval;

import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Sparse probing (Gurnee et al., arXiv:2305.01610; SAEBench, arXiv:2503.09532, section 3): activations are averaged over the tokens of a
 * text, the k features whose means differ most between the sides of the training texts are chosen, and a logistic regression on them is
 * tested on other texts. Every fifth pair is a test pair: both of its texts, so that no prompt is in both halves.
 */
final class SideProbe {
    private static final int TEST_EVERY = 5;

    /**
     * A text.
     *
     * @param group texts of one group are on the same half
     * @param positive its side
     * @param means of the activations, [features]
     */
    record Text(int group, boolean positive, float[] means) {
    }

    private final List<Text> training;
    private final List<Text> test;
    private final Integer[] order;

    SideProbe(List<Text> texts) {
        training = texts.stream().filter(text -> text.group() % TEST_EVERY != TEST_EVERY - 1).toList();
        test = texts.stream().filter(text -> text.group() % TEST_EVERY == TEST_EVERY - 1).toList();
        int features = texts.isEmpty() ? 0 : texts.getFirst().means().length;
        double[] difference = new double[features];
        for (boolean side : new boolean[] {true, false}) {
            List<Text> of = training.stream().filter(text -> text.positive() == side).toList();
            for (Text text : of) {
                for (int i = 0; i < features; i++) {
                    difference[i] += (side ? 1.0 : -1.0) * text.means()[i] / of.size();
                }
            }
        }
        order = IntStream.range(0, features).boxed().sorted(Comparator.comparingDouble(i -> -Math.abs(difference[i])))
            .toArray(Integer[]::new);
    }

    /** Whether both halves have both sides. */
    boolean possible() {
        return List.of(training, test).stream()
            .allMatch(half -> half.stream().anyMatch(Text::positive) && half.stream().anyMatch(text -> !text.positive()));
    }

    ProbeMeasure with(int k) {
        List<Integer> chosen = List.of(order).subList(0, Math.min(k, order.length));
        float[] inputs = inputs(training, chosen);
        Standardized of = Standardized.of(inputs, chosen.size());
        boolean[] positive = new boolean[training.size()];
        for (int t = 0; t < positive.length; t++) {
            positive[t] = training.get(t).positive();
        }
        double[] weights = new LogisticFit(of.apply(inputs), chosen.size(), positive).weights();
        float[] unseen = of.apply(inputs(test, chosen));
        int right = 0;
        for (int t = 0; t < test.size(); t++) {
            right += LogisticFit.score(weights, unseen, t) > 0 == test.get(t).positive() ? 1 : 0;
        }
        return new ProbeMeasure(k, chosen, (double) right / test.size(), training.size(), test.size());
    }

    private static float[] inputs(List<Text> texts, List<Integer> chosen) {
        float[] rows = new float[texts.size() * chosen.size()];
        for (int at = 0; at < rows.length; at++) {
            rows[at] = texts.get(at / chosen.size()).means()[chosen.get(at % chosen.size())];
        }
        return rows;
    }
}
