package io.sails4j.report.page;

import java.util.ArrayList;
import java.util.List;

/** A stretch of numbers that is drawn. */
record Scale(double least, double most) {
    private static final int TICKS = 4;

    Scale {
        if (!(least < most)) {
            throw new IllegalArgumentException("a scale from " + least + " to " + most + " has no length");
        }
    }

    /** Of shares. */
    static Scale ofShares() {
        return new Scale(0, 1);
    }

    /** Which holds all numbers that are known, and some room where they are one. */
    static Scale around(List<Double> values) {
        double least = values.stream().filter(Numbers::known).mapToDouble(Double::doubleValue).min().orElse(0);
        double most = values.stream().filter(Numbers::known).mapToDouble(Double::doubleValue).max().orElse(1);
        if (least == most) {
            double room = most == 0 ? 1 : Math.abs(most) / 2;
            return new Scale(least - room, most + room);
        }
        return new Scale(least, most);
    }

    /** The same with 0 in it. */
    static Scale fromZero(List<Double> values) {
        List<Double> all = new ArrayList<>(values);
        all.add(0.0);
        return around(all);
    }

    /** 0 at the beginning, 1 at the end. */
    double share(double value) {
        return (value - least) / (most - least);
    }

    /** Round numbers inside, a few. */
    List<Double> ticks() {
        double rough = (most - least) / TICKS;
        double power = Math.pow(10, Math.floor(Math.log10(rough)));
        double step = power * (rough / power < 1.5 ? 1 : rough / power < 3.5 ? 2 : rough / power < 7.5 ? 5 : 10);
        List<Double> ticks = new ArrayList<>();
        for (long i = (long) Math.ceil(least / step - 1e-9); i * step <= most + step * 1e-9; i++) {
            ticks.add(i * step);
        }
        return ticks;
    }
}
