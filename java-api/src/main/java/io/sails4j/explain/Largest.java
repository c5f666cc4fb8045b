package io.sails4j.explain;

import java.util.ArrayList;
import java.util.List;

/** The largest of a stream of numbers, by falling value; of equal ones the one with the smaller id comes first. */
final class Largest {
    private final int[] ids;
    private final double[] values;
    private int size;

    Largest(int most) {
        this.ids = new int[most];
        this.values = new double[most];
    }

    /** Ids come in rising order. */
    void offer(int id, double value) {
        if (size == ids.length && (size == 0 || !(value > values[size - 1]))) {
            return;
        }
        int at = size < ids.length ? size++ : size - 1;
        while (at > 0 && value > values[at - 1]) {
            ids[at] = ids[at - 1];
            values[at] = values[at - 1];
            at--;
        }
        ids[at] = id;
        values[at] = value;
    }

    /** Makes something of an id and its value. */
    @FunctionalInterface
    interface Entry<T> {
        T of(int id, double value);
    }

    <T> List<T> toList(Entry<T> entry) {
        List<T> list = new ArrayList<>();
        for (int i = 0; i < size; i++) {
            list.add(entry.of(ids[i], values[i]));
        }
        return list;
    }
}
