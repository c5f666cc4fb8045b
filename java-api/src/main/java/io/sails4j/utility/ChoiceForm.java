package io.sails4j.utility;

/** What a model is asked to go on with. */
public enum ChoiceForm {
    /** The question with all choices, and the letter of one behind it: MMLU's own form (Hendrycks et al., arXiv:2009.03300). */
    LETTER,
    /** The question alone, and a choice's text behind it: the form of ARC in lm-evaluation-harness. */
    TEXT
}
