package io.sails4j.bench;

import io.sails4j.tensor.DType;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What one benchmark gave.
 *
 * @param group of the command line: {@code kernels}, {@code layer}, {@code step}, {@code decode}, {@code sae}, {@code attack},
 *        {@code serve} or {@code monitor}
 * @param operation the name in {@code sails.h} without {@code sails_}, or what else was timed
 * @param shape for people, with the model's layer that it belongs to
 * @param times of one call
 * @param flops of one call, those that the model needs
 * @param bytes that one call must move at least
 * @param written those of them that are written
 * @param more numbers that only this group has, by their JSON names
 */
public record BenchResult(String group, String operation, String shape, DType dtype, Times times, double flops, double bytes,
    double written, Map<String, Double> more) {
    public BenchResult {
        more = Collections.unmodifiableMap(new LinkedHashMap<>(more));
    }

    /** What one call takes. */
    public double seconds() {
        return times.seconds();
    }

    public double flopsPerSecond() {
        return flops / seconds();
    }

    public double bytesPerSecond() {
        return bytes / seconds();
    }
}
