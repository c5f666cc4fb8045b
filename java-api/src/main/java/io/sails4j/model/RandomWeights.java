package io.sails4j.model;

import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import java.util.stream.IntStream;

/** Fills tensors with random numbers that depend on the seed and the place alone, not on the number of threads. */
final class RandomWeights {
    private static final int CHUNK = 1 << 22;
    private static final int BLOCK = 1 << 16;

    private final Engine engine;
    private long stream;

    RandomWeights(Engine engine, long seed) {
        this.engine = engine;
        this.stream = CounterRandom.bits(seed + 0x9E3779B97F4A7C15L);
    }

    /** A bell-shaped distribution with the given standard deviation (the sum of four uniform numbers). */
    void fill(Tensor tensor, double std) {
        // Each 16-bit uniform on [0, 1) has variance 1/12; four of them 1/3.
        float factor = (float) (std * Math.sqrt(3) / 65536);
        long start = stream;
        stream = CounterRandom.bits(stream + 1);
        float[] values = new float[(int) Math.min(CHUNK, tensor.numel())];
        Tensor flat = tensor.view(tensor.numel());
        try (Tensor staging = engine.device().allocate(DType.F32, Shape.of(values.length))) {
            for (long at = 0; at < tensor.numel(); at += values.length) {
                int count = (int) Math.min(values.length, tensor.numel() - at);
                long base = start + at;
                IntStream.range(0, Math.ceilDiv(count, BLOCK)).parallel().forEach(block -> {
                    for (int i = block * BLOCK, end = Math.min(count, i + BLOCK); i < end; i++) {
                        long bits = CounterRandom.bits(base + i);
                        long sum = (bits & 0xffff) + (bits >>> 16 & 0xffff) + (bits >>> 32 & 0xffff) + (bits >>> 48);
                        values[i] = (sum - 131070) * factor;
                    }
                });
                staging.upload(values);
                engine.ops().elementwise().convert(flat.rows(at, count), staging.rows(0, count));
            }
        }
    }
}
