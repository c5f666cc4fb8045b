package io.sails4j.study;

import io.sails4j.InputException;
import io.sails4j.train.Objective;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/**
 * An experiment.
 *
 * @param file that states it
 * @param arms besides the model as it is, which is always tested
 */
public record Study(Path file, StudyInputs inputs, StudyPrompts prompts, List<StudyArm> arms, StudyGrid grid, StudyMeasure measure) {
    public Study {
        arms = List.copyOf(arms);
        Set<String> names = new HashSet<>();
        for (StudyArm arm : arms) {
            if (!names.add(arm.name())) {
                throw new InputException(file + " has two arms called '" + arm.name() + "'; give them different names");
            }
        }
        if (!names.contains(measure.baseline())) {
            throw new InputException(file + " names the baseline '" + measure.baseline() + "', expected one of its arms "
                + arms.stream().map(StudyArm::name).toList());
        }
        List<String> files = Stream.concat(Stream.of(prompts.validation()), prompts.tests().values().stream())
            .map(path -> String.valueOf(path.getFileName())).toList();
        if (new HashSet<>(files).size() < files.size()) {
            throw new InputException(file + " asks the files " + files + ", expected different names: results are told by them");
        }
        if (inputs.saes().isEmpty() && arms.stream().anyMatch(arm -> arm.subspace() != ArmSubspace.NONE)) {
            throw new InputException(file + " has arms in a subspace and no SAE: name one and its layer under 'sae'");
        }
        if (measure.primary() != null) {
            requirePossible(file, measure.primary(), arms, grid);
        }
        if (prompts.train() == null && arms.stream().flatMap(arm -> arm.objectives(grid).stream()).anyMatch(Objective::samplesAnswers)) {
            throw new InputException(file + " has an objective that samples answers, and no prompts to answer: name them under"
                + " 'prompts: train'");
        }
    }

    private static void requirePossible(Path file, StudyPrimary primary, List<StudyArm> arms, StudyGrid grid) {
        for (String name : primary.names()) {
            StudyArm named = arms.stream().filter(arm -> arm.name().equals(name)).findFirst()
                .orElseThrow(() -> new InputException(file + " compares the arm '" + name + "' under 'primary', expected some of "
                    + arms.stream().map(StudyArm::name).toList()));
            if (named.objectives(grid).size() > 1) {
                throw new InputException(file + " compares the arm '" + name + "' under 'primary', which has several objectives; give it"
                    + " one of its own ('objective' of the arm)");
            }
        }
        int needed = primary.seeds();
        if (grid.seeds().size() < needed) {
            throw new InputException(file + " has " + grid.seeds().size() + " seeds, and promises a half_width of " + primary.halfWidth()
                + " for " + primary.comparisons() + " comparisons with a standard deviation of " + primary.sd() + ", expected " + needed
                + " seeds or more: name more seeds, or promise less");
        }
    }

    /** Reads a YAML or JSON file; its paths are relative to it. */
    public static Study read(Path file) {
        return new StudyReader(file).read();
    }

    /** How many runs all of it is: trials, tests, and the model as it is. */
    public int runs() {
        return trials().size() + tests() + 1;
    }

    /** How many runs are tested. */
    int tests() {
        return arms.stream().mapToInt(arm -> arm.objectives(grid).size()).sum() * grid.pairs().size() * grid.seeds().size();
    }

    StudyArm arm(String name) {
        return arms.stream().filter(arm -> arm.name().equals(name)).findFirst().orElseThrow();
    }

    /** Everything that is trained to choose learning rates. */
    List<StudyTask> trials() {
        List<StudyTask> trials = new ArrayList<>();
        for (StudyArm arm : arms) {
            for (Objective objective : arm.objectives(grid)) {
                for (double lr : grid.learningRates()) {
                    for (long seed : grid.trialSeeds()) {
                        trials.add(new StudyTask(StudyTask.Phase.TRIAL, arm.name(), objective, lr, grid.mostPairs(), seed));
                    }
                }
            }
        }
        return trials;
    }

    /** Everything that is trained and tested with the learning rates that were chosen. */
    List<StudyTask> finals(Choices choices) {
        List<StudyTask> finals = new ArrayList<>();
        // Seed by seed: what is there when a run is killed is of all arms alike.
        for (long seed : grid.seeds()) {
            for (StudyArm arm : arms) {
                for (Objective objective : arm.objectives(grid)) {
                    for (int pairs : grid.pairs()) {
                        finals.add(
                            new StudyTask(StudyTask.Phase.TEST, arm.name(), objective, choices.lr(arm.name(), objective), pairs, seed));
                    }
                }
            }
        }
        return finals;
    }
}
