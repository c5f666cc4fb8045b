package io.sails4j.bench;

import io.sails4j.conformance.Fixture;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Single operations. */
final class KernelBench {
    /** More copies of a kernel's buffers would not make its time truer. */
    private static final int MOST_COPIES = 16;

    private final Engine engine;
    private final BenchSize size;
    private final Ceilings ceilings;

    KernelBench(Engine engine, BenchSize size, Ceilings ceilings) {
        this.engine = engine;
        this.size = size;
        this.ceilings = ceilings;
    }

    void run(DType dtype, BenchListener listener) {
        run("kernels", KernelShapes.layers(size, dtype), listener);
    }

    void runAutoencoders(DType dtype, BenchListener listener) {
        run("sae", KernelShapes.autoencoders(size, dtype), listener);
    }

    private void run(String group, List<KernelShapes.Shape> shapes, BenchListener listener) {
        for (KernelShapes.Shape shape : shapes) {
            listener.unlessTooLarge(group + ", " + shape.opCase().operation() + ", " + shape.layer(),
                () -> listener.measured(line(group, shape)));
        }
    }

    private BenchResult line(String group, KernelShapes.Shape shape) {
        List<Fixture> fixtures = new ArrayList<>();
        try {
            List<Runnable> rotation = new ArrayList<>();
            double bytes;
            int copies;
            do {
                Fixture fixture = Fixture.timed(engine, fixtures.size());
                fixtures.add(fixture);
                rotation.add(shape.opCase().prepare(fixture));
                bytes = fixture.bytes();
                copies = (int) Math.clamp(Math.ceil(size.rotateBytes() / Math.max(1, bytes)), 1, MOST_COPIES);
            } while (fixtures.size() < copies);
            double seconds = new Timer(engine, size).seconds(rotation);
            double flops = shape.opCase().flops();
            DType dtype = shape.opCase().dtype();
            return new BenchResult(group, shape.opCase().operation(), shape.layer(), dtype, seconds, flops, bytes,
                ceilings.share(dtype, flops, bytes, seconds), Map.of());
        } finally {
            fixtures.forEach(Fixture::close);
        }
    }
}
