package io.sails4j.bench;

import io.sails4j.NativeException;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.ops.MatmulPeak;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * What the device does at most, measured in the run that it is compared with: a large copy for what is bound by memory, a large product of
 * matrices in each type for what is bound by arithmetic.
 *
 * @param copyBytesPerSecond read and written together
 */
public record Ceilings(double copyBytesPerSecond, Map<DType, MatmulPeak> matmul) {
    private static final double TERA = 1e-12;

    /** With the engine's own way to multiply. */
    public static Ceilings measure(Engine engine, BenchSize size) {
        Map<DType, MatmulPeak> matmul = new EnumMap<>(DType.class);
        for (DType dtype : List.of(DType.F32, DType.BF16)) {
            matmul.put(dtype, MatmulPeak.measure(engine, dtype));
        }
        return new Ceilings(copyBytesPerSecond(engine, size), matmul);
    }

    /**
     * The same, where products may also be another library's: the faster of the two is the ceiling, and both are told.
     *
     * @param other how the same device is opened with that library; where it is not there, the ceilings say why
     */
    public static Ceilings measure(Engine engine, EngineOptions other, BenchSize size) {
        Ceilings own = measure(engine, size);
        try (Engine library = Engine.open(other)) {
            Map<DType, MatmulPeak> best = new EnumMap<>(DType.class);
            own.matmul.forEach((dtype, peak) -> best.put(dtype, faster(peak, MatmulPeak.measure(library, dtype))));
            return new Ceilings(own.copyBytesPerSecond, best);
        } catch (NativeException e) {
            Map<DType, MatmulPeak> alone = new EnumMap<>(DType.class);
            own.matmul.forEach((dtype, peak) -> alone.put(dtype,
                new MatmulPeak(peak.flopsPerSecond(), peak.source() + ", by own kernels alone: " + e.text())));
            return new Ceilings(own.copyBytesPerSecond, alone);
        }
    }

    private static MatmulPeak faster(MatmulPeak own, MatmulPeak library) {
        boolean ownWins = own.flopsPerSecond() >= library.flopsPerSecond();
        MatmulPeak best = ownWins ? own : library;
        return new MatmulPeak(best.flopsPerSecond(),
            String.format(Locale.ROOT, "%s, by %s; own kernels %.4g, cuBLASLt %.4g TFLOP/s", best.source(),
                ownWins ? "own kernels" : "cuBLASLt", own.flopsPerSecond() * TERA, library.flopsPerSecond() * TERA));
    }

    private static double copyBytesPerSecond(Engine engine, BenchSize size) {
        try (TensorArena memory = new TensorArena(engine.device())) {
            Tensor from = memory.zeros(DType.F32, size.copyBytes() / 4);
            Tensor to = memory.zeros(DType.F32, size.copyBytes() / 4);
            return 2.0 * size.copyBytes() / new Timer(engine, size).seconds(List.of(() -> to.copyFrom(from)));
        }
    }

    /** The time that the ceilings allow over the time that was needed; integers and f64 are not multiplied, so memory alone limits them. */
    public BenchResult.Share share(DType dtype, double flops, double bytes, double seconds) {
        double copying = bytes / copyBytesPerSecond;
        MatmulPeak peak = matmul.get(dtype);
        double multiplying = peak == null ? 0 : flops / peak.flopsPerSecond();
        return copying >= multiplying ? new BenchResult.Share(copying / seconds, "copy")
            : new BenchResult.Share(multiplying / seconds, "matmul");
    }
}
