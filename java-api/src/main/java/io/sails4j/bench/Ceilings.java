package io.sails4j.bench;

import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import io.sails4j.train.MatmulPeak;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * What the device does at most, measured in the run that it is compared with: a large copy for what is bound by memory, a large product of
 * matrices in each type for what is bound by arithmetic.
 *
 * @param copyBytesPerSecond read and written together
 */
public record Ceilings(double copyBytesPerSecond, Map<DType, MatmulPeak> matmul) {
    public static Ceilings measure(Engine engine, BenchSize size) {
        Map<DType, MatmulPeak> matmul = new EnumMap<>(DType.class);
        for (DType dtype : List.of(DType.F32, DType.BF16)) {
            matmul.put(dtype, MatmulPeak.measure(engine, dtype));
        }
        return new Ceilings(copyBytesPerSecond(engine, size), matmul);
    }

    private static double copyBytesPerSecond(Engine engine, BenchSize size) {
        try (TensorArena memory = new TensorArena(engine.device())) {
            Tensor from = memory.zeros(DType.F32, size.copyBytes() / 4);
            Tensor to = memory.zeros(DType.F32, size.copyBytes() / 4);
            return 2.0 * size.copyBytes() / new Timer(engine, size).seconds(List.of(() -> to.copyFrom(from)));
        }
    }

    /** The time that the ceilings allow over the time that was needed; integers and f64 are not multiplied, so memory alone limits them. */
    public Line.Share share(DType dtype, double flops, double bytes, double seconds) {
        double copying = bytes / copyBytesPerSecond;
        MatmulPeak peak = matmul.get(dtype);
        double multiplying = peak == null ? 0 : flops / peak.flopsPerSecond();
        return copying >= multiplying ? new Line.Share(copying / seconds, "copy") : new Line.Share(multiplying / seconds, "matmul");
    }
}
