package io.sails4j.ops;

/** The losses of {@link HeadOps#preferenceLoss}; formulas: sails.h. */
public enum PreferenceKind {
    /** -log sigmoid(margin), arXiv:2305.18290 eq. 7. */
    DPO,
    /** A margin that is large enough is not pushed further, arXiv:2310.12036 eq. 17. */
    IPO,
    /** Log odds ratio beside the likelihood of the aligned answer, no reference, arXiv:2403.07691 eq. 7. */
    ORPO;

    int abiCode() {
        return ordinal();
    }
}
