package io.sails4j.attack;

import io.sails4j.eval.EvalArm;
import io.sails4j.eval.EvalPrompt;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Which suffixes are searched for, and who lends one to whom. The arms of the run are first those that are attacked, and then for each of
 * them as many as suffixes transfer: the same model, with one suffix behind all prompts.
 *
 * @param attacked arms
 * @param groups indices of the prompts that share a suffix
 * @param lent suffixes that each attacked arm lends
 * @param rows candidates that are computed at a time
 */
record GcgPlan(GcgOptions options, int attacked, List<List<Integer>> groups, int lent, int rows, long seed) {
    static GcgPlan of(GcgOptions options, int arms, List<EvalPrompt> prompts, int rows, long seed) {
        List<Integer> attacked = IntStream.range(0, prompts.size()).filter(p -> Targets.isAttacked(prompts.get(p))).boxed().toList();
        int together = options.together() == 0 ? Math.max(1, attacked.size()) : options.together();
        List<List<Integer>> groups = new ArrayList<>();
        for (int from = 0; from < attacked.size(); from += together) {
            groups.add(List.copyOf(attacked.subList(from, Math.min(from + together, attacked.size()))));
        }
        return new GcgPlan(options, arms, List.copyOf(groups), Math.min(options.transfer(), groups.size()), rows, seed);
    }

    /** The arms of the run. */
    List<EvalArm> arms(List<EvalArm> asked) {
        List<EvalArm> all = new ArrayList<>(asked);
        for (EvalArm arm : asked) {
            for (int rank = 1; rank <= lent; rank++) {
                all.add(new EvalArm(arm.name() + ".transfer-" + rank, arm.model(), arm.adapters()));
            }
        }
        return all;
    }

    /** The arm whose suffix an arm of transfer has. */
    int lender(int arm) {
        return (arm - attacked) / lent;
    }

    /** Which of the lender's suffixes, 0 = the best. */
    int rank(int arm) {
        return (arm - attacked) % lent;
    }
}
