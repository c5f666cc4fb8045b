package io.sails4j.eval;

import io.sails4j.InputException;
import io.sails4j.lora.WeightedAdapter;
import java.nio.file.Path;
import java.util.List;

/**
 * What is evaluated beside others: a model, and the adapters that are summed on it.
 *
 * @param name in files and tables
 * @param model directory of the checkpoint
 */
public record EvalArm(String name, Path model, List<WeightedAdapter> adapters) {
    /** The arm that is a model without adapters. */
    public static final String BASE = "base";

    public EvalArm {
        adapters = List.copyOf(adapters);
        if (!name.matches("[\\w.+-]{1,60}")) {
            throw new InputException(
                "the arm's name is '" + name + "', expected 1 to 60 letters, digits, dots, pluses, hyphens and underscores");
        }
    }
}
