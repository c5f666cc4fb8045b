package io.sails4j.trainable;

import io.sails4j.config.ModuleKey;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.GradientTargets;
import io.sails4j.model.LowRankAdapter;
import io.sails4j.model.LowRankGradient;
import io.sails4j.model.TrainedShape;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * An adapter whose residual-facing factor is a fixed orthonormal basis U [d_model, r_s] times a small trained core: lora_B = U C with C
 * [r_s, r] in modules that write to the residual stream, lora_A = C U^T with C [r, r_s] in those that read from it. The other factor is
 * trained as it is. The adapter cannot leave the subspace, and gradients and optimizer state are those of the core: dC = U^T dB, or dA U.
 * Outside it is an ordinary adapter, which stays the caller's.
 */
public final class CoreLoraTrainable implements Trainable {
    private final Engine engine;
    /** The factors themselves and their gradients. */
    private final LoraTrainable whole;
    private final List<Parameter> parameters = new ArrayList<>();
    private final List<Core> cores = new ArrayList<>();
    private final List<Tensor> owned = new ArrayList<>();
    private final Map<ModuleKey, Integer> dimensions = new TreeMap<>();

    /** One module's core; {@code right}: lora_A = C U^T. */
    private record Core(Tensor factor, Tensor dFactor, Tensor basis, Tensor core, Tensor dCore, boolean right) {
    }

    /**
     * @param adapter starts inside the subspace: its facing factors are read as U C
     * @param bases for each module its basis U [d_model, r_s] F32, orthonormal columns
     */
    public CoreLoraTrainable(LoraAdapter adapter, Map<ModuleKey, Tensor> bases, Engine engine) {
        this.engine = engine;
        this.whole = new LoraTrainable(adapter, engine.device());
        try {
            adapter.modules().forEach((module, factors) -> add(module, factors, bases.get(module)));
            publish();
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    private void add(ModuleKey module, LowRankAdapter factors, @Nullable Tensor basis) {
        if (basis == null) {
            throw new IllegalArgumentException("there is no basis for " + module.path());
        }
        Device device = engine.device();
        boolean right = module.projection().readsResidual();
        dimensions.put(module, (int) basis.dim(1));
        LowRankGradient gradient = Objects.requireNonNull(whole.targets().lora().get(module));
        Shape shape = right ? Shape.of(factors.r(), basis.dim(1)) : Shape.of(basis.dim(1), factors.r());
        Core core = new Core(right ? factors.loraA() : factors.loraB(), right ? gradient.dLoraA() : gradient.dLoraB(), basis,
            own(device.zeros(DType.F32, shape)),
            own(device.zeros(DType.F32, shape)), right);
        coordinates(core.core, core.factor, core);
        cores.add(core);
        Parameter small = new Parameter(module.path() + (right ? ".lora_A.core" : ".lora_B.core"), core.core, core.dCore);
        Parameter free = right ? new Parameter(module.path() + ".lora_B.weight", factors.loraB(), gradient.dLoraB())
            : new Parameter(module.path() + ".lora_A.weight", factors.loraA(), gradient.dLoraA());
        parameters.add(right ? small : free);
        parameters.add(right ? free : small);
    }

    private Tensor own(Tensor tensor) {
        owned.add(tensor);
        return tensor;
    }

    /** out = U^T F, or F U. */
    private void coordinates(Tensor out, Tensor factor, Core core) {
        if (core.right) {
            engine.ops().matmul().matmul(out, factor, core.basis, false, false, 1, 0);
        } else {
            engine.ops().matmul().matmul(out, core.basis, factor, true, false, 1, 0);
        }
    }

    @Override
    public TrainedShape shape() {
        return TrainedShape.ofCores(whole.adapter().config().ranks(), dimensions);
    }

    @Override
    public List<Parameter> parameters() {
        return Collections.unmodifiableList(parameters);
    }

    @Override
    public AdapterStack adapters() {
        return whole.adapters();
    }

    @Override
    public GradientTargets targets() {
        return whole.targets();
    }

    @Override
    public @Nullable Tensor dHead() {
        return whole.dHead();
    }

    @Override
    public void zeroGradients() {
        whole.zeroGradients();
    }

    @Override
    public void collectGradients() {
        cores.forEach(core -> coordinates(core.dCore, core.dFactor, core));
    }

    @Override
    public void queuePublish() {
        for (Core core : cores) {
            if (core.right) {
                engine.ops().matmul().matmul(core.factor, core.core, core.basis, false, true, 1, 0);
            } else {
                engine.ops().matmul().matmul(core.factor, core.basis, core.core, false, false, 1, 0);
            }
        }
    }

    @Override
    public void close() {
        owned.forEach(Tensor::close);
        whole.close();
    }
}
