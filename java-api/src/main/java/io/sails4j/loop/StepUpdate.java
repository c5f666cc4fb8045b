package io.sails4j.loop;

import io.sails4j.model.CausalModel;
import io.sails4j.objective.PassContext;
import io.sails4j.objective.StepGraphs;
import io.sails4j.objective.StepReadings;
import io.sails4j.ops.Ops;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.train.TrainingException;
import io.sails4j.train.TrainingOptions;
import io.sails4j.trainable.Trainable;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/**
 * What an optimizer step does around its passes: gradients are zeroed before them, collected, changed by the hook and measured after them,
 * and the parameters are moved, published and averaged once the host has seen that the numbers are sane. Each of the three makes the same
 * calls in every step, so that it can be launched as recorded; what differs between steps lies on the device (the optimizer's rates), or is
 * the host's (readings, what is out of date).
 */
final class StepUpdate implements AutoCloseable {
    private final Ops ops;
    private final Trainable trainable;
    private final StepHook hook;
    private final PassContext context;
    private final StepReadings readings;
    private final AdamwOptimizer optimizer;
    private final Map<String, Tensor> average = new LinkedHashMap<>();
    private final double emaDecay;
    private StepReadings.@Nullable Reading norms;

    StepUpdate(CausalModel model, Trainable trainable, TrainingOptions options, StepHook hook, PassContext context, StepReadings readings) {
        this.ops = model.engine().ops();
        this.trainable = trainable;
        this.hook = hook;
        this.context = context;
        this.readings = readings;
        this.optimizer = new AdamwOptimizer(trainable, model.engine().device(), ops, hook.projected(), options.optimizer());
        this.emaDecay = options.optimizer().emaDecay();
        if (emaDecay > 0) {
            trainable.parameters().forEach(p -> {
                Tensor mean = model.engine().device().allocate(DType.F32, p.value().shape());
                mean.copyFrom(p.value());
                average.put(p.name(), mean);
            });
        }
    }

    /**
     * Before the first pass. What the hook and the norms leave comes first in the readings: there it has the same addresses in every step.
     */
    void begin() {
        readings.begin();
        hook.allot(readings);
        norms = optimizer.allotNorms(readings);
        context.run(StepGraphs.StepPhase.BEFORE, 0, trainable::zeroGradients);
    }

    /** After the last pass, before the readings are read. */
    void collect() {
        Tensor squares = norms().tensor();
        context.run(StepGraphs.StepPhase.AFTER, readings.layout() + hook.memoryLayout(), () -> {
            trainable.collectGradients();
            hook.beforeUpdate();
            optimizer.queueNorms(squares);
        });
    }

    /**
     * The step itself, with the learning rate times {@code factor}; does not wait.
     *
     * @return the norm of all gradients before clipping
     * @throws TrainingException where a gradient is not finite; nothing was changed then
     */
    double update(double factor) {
        double norm = optimizer.queueRates(factor, norms()::value);
        context.run(StepGraphs.StepPhase.UPDATE, 0, () -> {
            optimizer.queueUpdate();
            trainable.queuePublish();
            updateAverage();
        });
        trainable.adapters().forgetDerived();
        return norm;
    }

    private StepReadings.Reading norms() {
        return Objects.requireNonNull(norms, "a step begins first");
    }

    private void updateAverage() {
        trainable.parameters().forEach(p -> {
            Tensor mean = average.get(p.name());
            if (mean != null) {
                ops.elementwise().axpby(mean, p.value(), (float) (1 - emaDecay), (float) emaDecay);
            }
        });
    }

    /** After the last step: the parameters become their moving average where one is kept. */
    void finish() {
        trainable.parameters().forEach(p -> {
            Tensor mean = average.get(p.name());
            if (mean != null) {
                p.value().copyFrom(mean);
            }
        });
        trainable.publish();
    }

    /** {@code param.NAME}, the {@link AdamwOptimizer#state}, and {@code ema.NAME} where there is an average. */
    SequencedMap<String, Tensor> state() {
        SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
        trainable.parameters().forEach(p -> tensors.put("param." + p.name(), p.value()));
        tensors.putAll(optimizer.state());
        average.forEach((name, mean) -> tensors.put("ema." + name, mean));
        return tensors;
    }

    /** Goes on after a step of an earlier run whose state has been put back. */
    void resumeAt(long steps) {
        optimizer.resumeAt(steps);
        trainable.publish();
    }

    @Override
    public void close() {
        average.values().forEach(Tensor::close);
        optimizer.close();
    }
}
