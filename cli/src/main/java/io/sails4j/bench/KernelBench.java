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

    private final BenchSize size;

    KernelBench(BenchSize size) {
        this.size = size;
    }

    List<Job> jobs(DType dtype) {
        return jobs("kernels", KernelShapes.layers(size, dtype));
    }

    List<Job> jobsOfAutoencoders(DType dtype) {
        return jobs("sae", KernelShapes.autoencoders(size, dtype));
    }

    private List<Job> jobs(String group, List<KernelShapes.Shape> shapes) {
        return shapes.stream().map(shape -> new Job(group, shape.opCase().operation() + ", " + shape.layer(), 1,
            (engine, listener) -> listener.measured(line(engine, group, shape)))).toList();
    }

    private BenchResult line(Engine engine, String group, KernelShapes.Shape shape) {
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
                copies = (int) Math.clamp(Math.ceil(size.timing().rotateBytes() / Math.max(1, bytes)), 1, MOST_COPIES);
            } while (fixtures.size() < copies);
            Times times = new Timer(engine, size.timing()).seconds(rotation);
            double flops = shape.opCase().flops();
            DType dtype = shape.opCase().dtype();
            return new BenchResult(group, shape.opCase().operation(), shape.layer(), dtype, times, flops, bytes,
                fixtures.getFirst().writtenBytes(), Map.of());
        } finally {
            fixtures.forEach(Fixture::close);
        }
    }
}
