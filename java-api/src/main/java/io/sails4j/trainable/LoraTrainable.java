package io.sails4j.trainable;

import io.sails4j.config.ModuleKey;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.GradientTargets;
import io.sails4j.model.LowRankAdapter;
import io.sails4j.model.LowRankGradient;
import io.sails4j.model.TrainedShape;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.Tensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** The factors of one adapter, with DoRA its lengths too, over a frozen model. The adapters stay the caller's. */
public final class LoraTrainable implements Trainable {
    private final LoraAdapter adapter;
    private final @Nullable LoraAdapter frozen;
    private final Map<ModuleKey, LowRankGradient> gradients = new TreeMap<>();
    private final List<Parameter> parameters = new ArrayList<>();
    private final List<Tensor> owned = new ArrayList<>();

    public LoraTrainable(LoraAdapter adapter, Device device) {
        this(adapter, null, device);
    }

    /** @param frozen an adapter of the same modules that is active beside the trained one and stays as it is */
    public LoraTrainable(LoraAdapter adapter, @Nullable LoraAdapter frozen, Device device) {
        this.adapter = adapter;
        this.frozen = frozen;
        try {
            adapter.modules().forEach((module, factors) -> add(module, factors, device));
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    private void add(ModuleKey module, LowRankAdapter factors, Device device) {
        Tensor dLoraA = gradient(device, factors.loraA());
        Tensor dLoraB = gradient(device, factors.loraB());
        Tensor dMagnitude = factors.dora() == null ? null : gradient(device, factors.dora().magnitude());
        gradients.put(module, new LowRankGradient(dLoraA, dLoraB, dMagnitude));
        parameters.add(new Parameter(module.path() + ".lora_A.weight", factors.loraA(), dLoraA));
        parameters.add(new Parameter(module.path() + ".lora_B.weight", factors.loraB(), dLoraB));
        if (factors.dora() != null && dMagnitude != null) {
            parameters.add(new Parameter(module.path() + ".lora_magnitude_vector", factors.dora().magnitude(), dMagnitude));
        }
    }

    private Tensor gradient(Device device, Tensor parameter) {
        Tensor zeros = device.zeros(DType.F32, parameter.shape());
        owned.add(zeros);
        return zeros;
    }

    public LoraAdapter adapter() {
        return adapter;
    }

    @Override
    public TrainedShape shape() {
        return TrainedShape.ofAdapter(adapter.config().ranks(), adapter.config().dora() ? TrainedShape.Variant.DORA
            : frozen != null ? TrainedShape.Variant.PISSA : TrainedShape.Variant.PLAIN);
    }

    @Override
    public List<Parameter> parameters() {
        return Collections.unmodifiableList(parameters);
    }

    @Override
    public AdapterStack adapters() {
        return frozen == null ? AdapterStack.of(adapter.modules()) : new AdapterStack(List.of(adapter.modules(), frozen.modules()));
    }

    @Override
    public GradientTargets targets() {
        return GradientTargets.ofLora(gradients);
    }

    @Override
    public @Nullable Tensor dHead() {
        return null;
    }

    @Override
    public void queuePublish() {
        // The model computes with these very tensors.
    }

    @Override
    public void close() {
        owned.forEach(Tensor::close);
    }
}
