package io.sails4j.model;

import java.util.SplittableRandom;

/** Random numbers of a counter: each follows from its number alone, whatever thread asks and in whatever order. */
final class CounterRandom {
    private CounterRandom() {
    }

    /** 64 bits: the output function of SplitMix64 (Steele, Lea, Flood 2014). */
    static long bits(long counter) {
        long z = (counter ^ (counter >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }

    /** In [0, 1): the first number that Java's SplitMix64 gives for the seed. */
    static float uniform(long seed) {
        // 24 bits: the largest float below 1 is representable, 1 is not reached.
        return (new SplittableRandom(seed).nextInt() >>> 8) * 0x1p-24f;
    }

    /** In [0, 1): that of a step of a sequence, whatever else is generated beside it. */
    static float uniform(long seed, long sequence, long step) {
        return uniform(seed * 0x9E3779B97F4A7C15L + sequence * 0xD1B54A32D192ED03L + step);
    }
}
