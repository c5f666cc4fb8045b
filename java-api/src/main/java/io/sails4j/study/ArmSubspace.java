package io.sails4j.study;

/** Which subspace an arm is trained in. */
public enum ArmSubspace {
    /** None: the arm's method knows no subspace. */
    NONE,
    /** Of SAE features. */
    SAE,
    /** Of raw activation differences, of the same dimensions. */
    DIRECT,
    /** By chance, of the same dimensions; another one for each seed. */
    RANDOM
}
