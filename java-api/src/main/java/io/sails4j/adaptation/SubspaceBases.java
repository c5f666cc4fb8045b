package io.sails4j.adaptation;

import io.sails4j.config.ModuleKey;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Tensor;
import java.util.HashMap;
import java.util.Map;

/** A subspace's bases on a device, each layer's once. */
final class SubspaceBases implements AutoCloseable {
    private final SafetySubspace subspace;
    private final Device device;
    private final Map<SafetySubspace.Layer, Tensor> bases = new HashMap<>();

    SubspaceBases(SafetySubspace subspace, Device device) {
        this.subspace = subspace;
        this.device = device;
    }

    /** The basis [d_model, r_s] F32 of the layer that is nearest to the module's. */
    Tensor of(ModuleKey module) {
        return bases.computeIfAbsent(subspace.nearest(module.layer()),
            layer -> device.upload(HostTensor.ofFloats(layer.basis(), layer.dModel(), layer.dimension())));
    }

    @Override
    public void close() {
        bases.values().forEach(Tensor::close);
        bases.clear();
    }
}
