package io.sails4j.study;

import io.sails4j.InputException;
import io.sails4j.train.Objective;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.stream.Stream;

/**
 * What is varied, for all arms alike.
 *
 * @param learningRates that are tried on the validation prompts, the same number for each arm
 * @param pairs numbers of pairs to train on; learning rates are chosen at the largest
 * @param seeds of the tests: each draws its pairs from the data, their order, the adapters' start and the random subspace
 * @param trialSeeds with which learning rates are chosen
 */
public record StudyGrid(List<Objective> objectives, List<Double> learningRates, List<Integer> pairs, List<Long> seeds,
    List<Long> trialSeeds) {
    /** Below this an interval over seeds says nothing: with two, t is 12.7. */
    private static final int FEWEST_SEEDS = 3;

    public StudyGrid {
        objectives = distinct("objectives", objectives);
        learningRates = distinct("learning_rates", learningRates);
        pairs = distinct("pairs", pairs).stream().sorted().toList();
        seeds = distinct("seeds", seeds);
        trialSeeds = distinct("trial_seeds", trialSeeds);
        learningRates.forEach(lr -> {
            if (!(lr > 0) || Double.isInfinite(lr)) {
                throw new InputException("learning_rates has " + lr + ", expected positive numbers");
            }
        });
        if (pairs.getFirst() < 1) {
            throw new InputException("pairs has " + pairs.getFirst() + ", expected 1 or more");
        }
        if (seeds.size() < FEWEST_SEEDS) {
            throw new InputException("seeds has " + seeds.size() + ", expected " + FEWEST_SEEDS
                + " or more: intervals over fewer are wider than any difference");
        }
    }

    private static <T> List<T> distinct(String name, List<T> values) {
        if (values.isEmpty() || new HashSet<>(values).size() != values.size()) {
            throw new InputException(name + " is " + values + ", expected one or more, each once");
        }
        return List.copyOf(values);
    }

    /** Whether a learning rate is the smallest or the largest of those that were tried: a better one may lie beyond. */
    public boolean atEnd(double lr) {
        return lr == Collections.min(learningRates) || lr == Collections.max(learningRates);
    }

    /** All seeds, of trials and of tests, each once. */
    List<Long> allSeeds() {
        return Stream.concat(trialSeeds.stream(), seeds.stream()).distinct().toList();
    }

    /** The largest number of pairs. */
    public int mostPairs() {
        return pairs.getLast();
    }
}
