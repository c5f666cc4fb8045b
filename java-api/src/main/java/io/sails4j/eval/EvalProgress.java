package io.sails4j.eval;

import io.sails4j.data.Progress;

/** Who looks on while an evaluation runs. */
@FunctionalInterface
public interface EvalProgress {
    /**
     * A new part of the work begins.
     *
     * @param part for people: an arm's answers, a judge's judgements
     * @return who follows it
     */
    Progress begin(String part);

    /** Nobody. */
    static EvalProgress none() {
        return part -> Progress.none();
    }
}
