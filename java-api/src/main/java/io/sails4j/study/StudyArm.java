package io.sails4j.study;

import io.sails4j.InputException;
import io.sails4j.align.AlignOptions;
import io.sails4j.align.Method;
import io.sails4j.options.Options;
import io.sails4j.train.Objective;
import io.sails4j.train.PolicyOptions;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * One way to align.
 *
 * @param name in tables and directories
 * @param objective that this arm alone is trained with, null = each of the grid's
 * @param values of the options of training that differ from the defaults, by name; learning rate and seed are the grid's
 */
public record StudyArm(String name, ArmSubspace subspace, @Nullable Objective objective, Map<String, Object> values) {
    public StudyArm {
        values = Map.copyOf(values);
        if (!name.matches("[\\w-]{1,40}")) {
            throw new InputException("the arm's name is '" + name + "', expected 1 to 40 letters, digits, hyphens and underscores");
        }
        Method method = options(values, objective == null ? Objective.SFT : objective, 1, 0).method();
        if ((method == Method.SAILS) == (subspace == ArmSubspace.NONE)) {
            throw new InputException("the arm '" + name + "' has the method '" + Options.label(method) + "' and the subspace '"
                + Options.label(subspace) + "', expected a subspace (sae, direct or random) for the method sails, and none for others");
        }
    }

    /** What it is trained with, where the grid has these. */
    List<Objective> objectives(StudyGrid grid) {
        return objective == null ? grid.objectives() : List.of(objective);
    }

    /** How it trains; options of sampled answers count where the objective samples answers. */
    AlignOptions options(Objective objective, double lr, long seed) {
        return options(values, objective, lr, seed);
    }

    private static AlignOptions options(Map<String, Object> values, Objective objective, double lr, long seed) {
        Map<String, Object> all = new HashMap<>(values);
        if (!objective.samplesAnswers()) {
            Options.of(PolicyOptions.defaults()).forEach(option -> all.remove(option.name()));
        }
        all.put("objective", objective);
        all.put("lr", lr);
        all.put("seed", seed);
        return AlignOptions.shared(all);
    }

    /**
     * An error where one of the arm's own options does nothing, whatever it is trained for; what all arms share may do nothing in some.
     *
     * @param own names of the arm's own options
     */
    void requireUsed(Set<String> own) {
        InputException unused = null;
        for (Objective one : objective == null ? Objective.values() : new Objective[] {objective}) {
            try {
                Options.requireUsed(options(one, 1, 0), own);
                return;
            } catch (InputException e) {
                unused = unused == null ? e : unused;
            }
        }
        if (unused != null) {
            throw unused;
        }
    }
}
