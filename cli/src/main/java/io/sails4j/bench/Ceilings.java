package io.sails4j.bench;

import io.sails4j.NativeException;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.ops.MatmulPeak;
import io.sails4j.tensor.Backend;
import io.sails4j.tensor.DType;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * What the device does at most, measured in the run that it is compared with: reading and copying for what is bound by memory, the fastest
 * large product of matrices in each type for what is bound by arithmetic.
 */
public record Ceilings(Bandwidth bandwidth, Map<DType, MatmulPeak> matmul) {
    private static final double TERA = 1e-12;
    private static final double MOSTLY_READ = 0.1;

    /** With the engine's own way to multiply. */
    public static Ceilings measure(Engine engine, BenchSize size) {
        Map<DType, MatmulPeak> matmul = new EnumMap<>(DType.class);
        for (DType dtype : List.of(DType.F32, DType.BF16)) {
            matmul.put(dtype, product(engine, dtype, size));
        }
        return new Ceilings(Bandwidth.measure(engine, size.timing()), matmul);
    }

    private static MatmulPeak product(Engine engine, DType dtype, BenchSize size) {
        return engine.backend() == Backend.CPU ? LargestProduct.measure(engine, dtype, size) : MatmulPeak.measure(engine, dtype);
    }

    /**
     * The same, where products may also be another library's: the faster of the two is the ceiling, and both are told.
     *
     * @param other how the same device is opened with that library; where it is not there, the ceilings say why
     * @param name of that library, for people
     */
    public static Ceilings measure(Engine engine, EngineOptions other, String name, BenchSize size) {
        Ceilings own = measure(engine, size);
        try (Engine library = Engine.open(other)) {
            Ceilings theirs = new Ceilings(own.bandwidth, new EnumMap<>(DType.class));
            own.matmul.forEach((dtype, peak) -> theirs.matmul.put(dtype, faster(peak, product(library, dtype, size), name)));
            return theirs;
        } catch (NativeException e) {
            Map<DType, MatmulPeak> alone = new EnumMap<>(DType.class);
            own.matmul.forEach((dtype, peak) -> alone.put(dtype,
                new MatmulPeak(peak.flopsPerSecond(), peak.source() + ", by own kernels alone: " + e.text())));
            return new Ceilings(own.bandwidth, alone);
        }
    }

    private static MatmulPeak faster(MatmulPeak own, MatmulPeak library, String name) {
        boolean ownWins = own.flopsPerSecond() >= library.flopsPerSecond();
        MatmulPeak best = ownWins ? own : library;
        return new MatmulPeak(best.flopsPerSecond(),
            String.format(Locale.ROOT, "%s, by %s; own kernels %.4g, %s %.4g TFLOP/s", best.source(),
                ownWins ? "own kernels" : name, own.flopsPerSecond() * TERA, name, library.flopsPerSecond() * TERA));
    }

    /** The faster of two measurements of each: a ceiling is never lower than what was once seen. */
    public Ceilings orBetter(Ceilings again) {
        Map<DType, MatmulPeak> best = new EnumMap<>(matmul);
        again.matmul.forEach((dtype, peak) -> best.merge(dtype, peak, (a, b) -> a.flopsPerSecond() >= b.flopsPerSecond() ? a : b));
        return new Ceilings(bandwidth.orBetter(again.bandwidth), best);
    }

    /**
     * What the ceilings allow over what was needed.
     *
     * @param of the ceiling that allows less than the others: {@code matmul}, {@code read} or {@code copy}
     */
    public record Share(double value, String of) {
    }

    /**
     * The share of a row. Integers and f64 are not multiplied, so memory alone limits them; where more than a tenth of the bytes is
     * written, or reading was not measured, a copy is the measure.
     */
    public Share share(BenchResult row) {
        boolean reads = bandwidth.read() > 0 && row.written() <= MOSTLY_READ * row.bytes();
        double moving = row.bytes() / (reads ? bandwidth.read() : bandwidth.copy());
        double multiplying = productSeconds(row.dtype(), row.flops());
        return moving >= multiplying ? new Share(moving / row.seconds(), reads ? "read" : "copy")
            : new Share(multiplying / row.seconds(), "matmul");
    }

    /** The time of a product at the ceiling; 0 where the type is not multiplied. */
    double productSeconds(DType dtype, double flops) {
        MatmulPeak peak = matmul.get(dtype);
        return peak == null ? 0 : flops / peak.flopsPerSecond();
    }
}
