package io.sails4j.study;

import io.sails4j.data.DataOptions;
import io.sails4j.eval.EvalOptions;
import io.sails4j.subspace.SubspaceOptions;

/**
 * How everything is measured.
 *
 * @param baseline the arm that the others are held against
 */
public record StudyMeasure(String baseline, EvalOptions eval, SubspaceOptions subspace, DataOptions data) {
}
