package io.sails4j.train;

/**
 * What the optimizer changes of a model in BF16 that is trained whole: F32 copies of its parameters, or the parameters themselves with a
 * BF16 remainder beside each (Kahan summation, arXiv:2010.06192, section 4).
 */
public enum Master {
    F32, BF16
}
