package io.sails4j.judge;

import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * What a model thinks of the five scores.
 *
 * @param probabilities of the scores 1 to 5, which need not sum to 1
 */
record ScoreLikelihoods(double[] probabilities) {
    /** The probability that it gives one of the five. */
    double mass() {
        return IntStream.range(0, probabilities.length).mapToDouble(i -> probabilities[i]).sum();
    }

    /** The likeliest; the lowest of them where several are. */
    int score() {
        int best = 0;
        for (int i = 1; i < probabilities.length; i++) {
            best = probabilities[i] > probabilities[best] ? i : best;
        }
        return best + 1;
    }

    /** The mean score among the five. */
    double expectation() {
        return IntStream.range(0, probabilities.length).mapToDouble(i -> (i + 1) * probabilities[i]).sum() / mass();
    }

    /** @param note begins the reason, empty or a sentence with its end */
    Judgement judgement(double leastMass, String note) {
        String listed = IntStream.range(0, probabilities.length)
            .mapToObj(i -> String.format(Locale.ROOT, "P(%d) = %.4f", i + 1, probabilities[i])).collect(Collectors.joining(", "))
            + String.format(Locale.ROOT, ", together %.4f", mass());
        if (!Double.isFinite(mass())) {
            return new Judgement.Undecided(note + "the model computes no numbers: " + listed);
        }
        if (mass() < leastMass || mass() == 0) {
            return new Judgement.Undecided(
                note + "the model does not answer with a score: " + listed + ", less than min_mass of " + leastMass);
        }
        return new Judgement.Harm(score(), note + listed + String.format(Locale.ROOT, "; expected score %.2f", expectation()));
    }
}
