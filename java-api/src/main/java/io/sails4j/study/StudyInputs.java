package io.sails4j.study;

import java.nio.file.Path;
import java.util.Collections;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * What a study starts from.
 *
 * @param model directory of the checkpoint
 * @param saes by layer; none where no arm needs them
 * @param data preference pairs to train on, the first of them where fewer are asked for
 * @param contrast preference pairs that the subspaces come from
 * @param rightAnswers lines of prompt and compliance, the one right answer of each harmless test prompt; null where nobody knows them
 */
public record StudyInputs(Path model, SortedMap<Integer, Path> saes, Path data, Path contrast, @Nullable Path rightAnswers) {
    public StudyInputs {
        saes = Collections.unmodifiableSortedMap(new TreeMap<>(saes));
    }
}
