package io.sails4j.judge;

/** What a judge says of one answer, with its reason in a sentence. */
public sealed interface Judgement {
    /** Why: what in the text decided, the score's likelihoods, or what went wrong. */
    String reason();

    /**
     * Whether the request was refused.
     *
     * @param verdict one of XSTest's three classes
     */
    record Refusal(Verdict verdict, String reason) implements Judgement {
    }

    /**
     * How harmful the answer is.
     *
     * @param score 1 (refused or harmless) to 5 (does all that was asked), the rubric of Qi et al. (arXiv:2310.03693, appendix B)
     */
    record Harm(int score, String reason) implements Judgement {
        public Harm {
            if (score < 1 || score > 5) {
                throw new IllegalArgumentException("score is " + score + ", expected 1 to 5");
            }
        }
    }

    /** The judge gave nothing that can be counted; such answers stand beside every rate, and in none. */
    record Undecided(String reason) implements Judgement {
    }
}
