package io.sails4j.trainable;

import io.sails4j.InputException;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.GradientTargets;
import io.sails4j.model.ModelWeights;
import io.sails4j.model.TrainedShape;
import io.sails4j.model.WeightsClaim;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * All parameters of a model that was loaded writable. Those that the model keeps in BF16 have an F32 master copy that the optimizer
 * changes and that is rounded into the model after each step, or a BF16 remainder each: BF16 alone would lose most updates.
 */
public final class FullTrainable implements Trainable {
    private final CausalModel model;
    private final WeightsClaim claim;
    private final boolean bf16Masters;
    private final List<Parameter> parameters = new ArrayList<>();
    private final Map<String, Tensor> gradients = new LinkedHashMap<>();
    private final List<Tensor> owned = new ArrayList<>();

    public FullTrainable(CausalModel model) {
        this(model, false);
    }

    /**
     * @param bf16Masters remainders instead of copies
     * @throws InputException where the model is not in BF16 and remainders are asked for
     * @throws IllegalStateException where the model is not writable or has more than one session
     */
    public FullTrainable(CausalModel model, boolean bf16Masters) {
        if (bf16Masters && model.computeDtype() != DType.BF16) {
            throw new InputException(
                "master=bf16 is for models that compute in bf16, and this one is in " + model.computeDtype() + "; use dtype=bf16");
        }
        this.model = model;
        this.bf16Masters = bf16Masters;
        this.claim = model.claimWeights();
        try {
            model.weights().parameters().forEach(this::add);
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    private void add(String name, Tensor weight) {
        Tensor gradient = own(model.engine().device().zeros(DType.F32, weight.shape()));
        Tensor value = weight;
        Tensor remainder = null;
        if (bf16Masters && weight.dtype() != DType.F32) {
            remainder = own(model.engine().device().zeros(DType.BF16, weight.shape()));
        } else if (weight.dtype() != DType.F32) {
            value = own(model.engine().device().allocate(DType.F32, weight.shape()));
            model.engine().ops().elementwise().convert(value, weight);
        }
        gradients.put(name, gradient);
        parameters.add(new Parameter(name, value, gradient, remainder));
    }

    private Tensor own(Tensor tensor) {
        owned.add(tensor);
        return tensor;
    }

    @Override
    public TrainedShape shape() {
        return TrainedShape.ofAll();
    }

    @Override
    public List<Parameter> parameters() {
        return Collections.unmodifiableList(parameters);
    }

    @Override
    public AdapterStack adapters() {
        return AdapterStack.none();
    }

    @Override
    public GradientTargets targets() {
        return GradientTargets.ofParameters(gradients);
    }

    @Override
    public Tensor dHead() {
        Tensor gradient = gradients.get(ModelWeights.headName(model.config()));
        if (gradient == null) {
            throw new IllegalStateException("the model has no output matrix");
        }
        return gradient;
    }

    @Override
    public void queuePublish() {
        for (Parameter parameter : parameters) {
            Tensor weight = model.weights().parameter(parameter.name());
            if (weight.dtype() != DType.F32 && parameter.remainder() == null) {
                model.engine().ops().elementwise().convert(weight, parameter.value());
            }
        }
    }

    @Override
    public void close() {
        owned.forEach(Tensor::close);
        claim.close();
    }
}
