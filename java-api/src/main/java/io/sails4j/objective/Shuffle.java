package io.sails4j.objective;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/** The order of an epoch. */
public final class Shuffle {
    private Shuffle() {
    }

    /** The numbers below {@code size} in an order that follows from the seed and the epoch. */
    public static List<Integer> ofEpoch(int size, long seed, int epoch) {
        List<Integer> order = new ArrayList<>();
        for (int i = 0; i < size; i++) {
            order.add(i);
        }
        Collections.shuffle(order, new Random(seed * 1_000_003 + epoch));
        return order;
    }
}
