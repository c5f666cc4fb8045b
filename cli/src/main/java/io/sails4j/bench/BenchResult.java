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
 * @param flops of one call, those that the model needs
 * @param bytes that one call must move at least
 * @param more numbers that only this group has, by their JSON names
 */
public record BenchResult(String group, String operation, String shape, DType dtype, double seconds, double flops, double bytes,
    Share share,
    Map<String, Double> more) {
    /** What the ceilings allow over what was needed, and the ceiling that says so. */
    public record Share(double value, String of) {
    }

    public BenchResult {
        more = Collections.unmodifiableMap(new LinkedHashMap<>(more));
    }

    public double flopsPerSecond() {
        return flops / seconds;
    }

    public double bytesPerSecond() {
        return bytes / seconds;
    }
}
