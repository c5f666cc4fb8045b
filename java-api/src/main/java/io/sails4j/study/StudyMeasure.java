package io.sails4j.study;

import io.sails4j.data.DataOptions;
import io.sails4j.eval.EvalOptions;
import io.sails4j.subspace.SubspaceOptions;
import org.jspecify.annotations.Nullable;

/**
 * How everything is measured.
 *
 * @param baseline the arm that the others are held against
 * @param primary comparisons that were named beforehand, null = none: then all differences to the baseline count alike
 */
public record StudyMeasure(String baseline, EvalOptions eval, SubspaceOptions subspace, DataOptions data,
    @Nullable StudyPrimary primary) {
}
