package io.sails4j.adaptation;

import io.sails4j.align.Constraint;
import io.sails4j.align.ConstraintOptions;
import io.sails4j.config.ModuleKey;
import io.sails4j.loop.StepHook;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.model.LowRankAdapter;
import io.sails4j.model.LowRankGradient;
import io.sails4j.objective.StepReadings;
import io.sails4j.ops.Engine;
import io.sails4j.ops.Ops;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * Holds an adapter to the subspace by one of the constraints and measures how much of it lies inside. The residual-facing factor F is
 * lora_B [d_model, r] of a module that writes to the residual stream, lora_A [r, d_model] of one that reads from it.
 */
final class SubspaceHook implements StepHook, AutoCloseable {
    private final Engine engine;
    private final ConstraintOptions options;
    private final TensorArena memory;
    private final List<Item> items = new ArrayList<>();
    /** Where the step that was last begun leaves its numbers, by module. */
    private final List<StepReadings.Reading> penalties = new ArrayList<>();
    private final List<ModuleUpdate.Grams> grams = new ArrayList<>();

    /** One module and the gradient of its facing factor F. */
    private record Item(ModuleUpdate update, Tensor gradient) {
        Tensor facing() {
            return update.facing();
        }

        Tensor basis() {
            return update.basis();
        }

        /** Whether the subspace is on the right of F. */
        boolean right() {
            return update.right();
        }
    }

    /**
     * @param gradients those of the whole factors
     * @param bases stay the caller's
     */
    public SubspaceHook(LoraAdapter adapter, Map<ModuleKey, LowRankGradient> gradients, SubspaceBases bases, ConstraintOptions options,
        Engine engine) {
        this.engine = engine;
        this.options = options;
        this.memory = new TensorArena(engine.device());
        adapter.modules().forEach(
            (module, factors) -> items.add(item(module, factors, Objects.requireNonNull(gradients.get(module)), bases.of(module))));
    }

    private static Item item(ModuleKey module, LowRankAdapter factors, LowRankGradient gradient, Tensor basis) {
        boolean right = module.projection().readsResidual();
        return new Item(new ModuleUpdate(factors, basis, right), right ? gradient.dLoraA() : gradient.dLoraB());
    }

    @Override
    public void allot(StepReadings readings) {
        // Pieces of memory are joined here, and not while the calls are recorded.
        memory.reset();
        penalties.clear();
        grams.clear();
        for (Item item : items) {
            grams.add(item.update.allot(readings));
            if (options.constraint() == Constraint.PENALTY) {
                penalties.add(readings.add(DType.F64, 1));
            }
        }
    }

    @Override
    public long memoryLayout() {
        return memory.layout();
    }

    @Override
    public void beforeUpdate() {
        switch (options.constraint()) {
            case NONE, UPDATE, CORE -> {}
            case GRADIENT -> {
                List<Tensor> gradients = items.stream().map(Item::gradient).toList();
                engine.ops().optimizer().projectSet(gradients, gradients, items.stream().map(Item::basis).toList(), sides());
            }
            case PENALTY -> {
                for (int i = 0; i < items.size(); i++) {
                    addPenalty(items.get(i), penalties.get(i).tensor());
                }
            }
        }
        queueShare();
    }

    @Override
    public double penalty() {
        return options.penalty() * penalties.stream().mapToDouble(p -> p.value(0)).sum();
    }

    private boolean[] sides() {
        boolean[] right = new boolean[items.size()];
        for (int i = 0; i < right.length; i++) {
            right[i] = items.get(i).right();
        }
        return right;
    }

    /** lambda |(I - P) F|^2, gradient 2 lambda (I - P) F. */
    private void addPenalty(Item item, Tensor square) {
        Ops ops = engine.ops();
        memory.reset();
        Tensor outside = outside(item);
        ops.elementwise().sumOfSquares(square, List.of(outside));
        ops.elementwise().axpby(item.gradient(), outside, (float) (2 * options.penalty()), 1);
    }

    private Tensor outside(Item item) {
        Tensor outside = memory.allocate(DType.F32, item.facing().shape().toArray());
        engine.ops().optimizer().project(outside, item.facing(), item.basis(), item.right());
        engine.ops().elementwise().axpby(outside, item.facing(), 1, -1);
        return outside;
    }

    /**
     * F starts inside, so projecting F after the step is projecting the update; done on F, rounding does not add up over the steps.
     */
    @Override
    public List<ProjectedParameter> projected() {
        return options.constraint() == Constraint.UPDATE
            ? items.stream().map(item -> new ProjectedParameter(item.facing(), item.basis(), item.right())).toList()
            : List.of();
    }

    /** |(I - P) F| / |F| over all modules. */
    public double distance() {
        double outside = 0;
        double all = 0;
        for (Item item : items) {
            memory.reset();
            outside += engine.ops().elementwise().sumOfSquares(List.of(outside(item)))[0];
            all += engine.ops().elementwise().sumOfSquares(List.of(item.facing()))[0];
        }
        return all == 0 ? 0 : Math.sqrt(outside / all);
    }

    /** Share of the weight update that lies in the subspace: sum |P dW|^2 / sum |dW|^2, P on the residual side; 1 where there is none. */
    @Override
    public double shareInside() {
        UpdateSquares sum = UpdateSquares.ZERO;
        for (int i = 0; i < items.size(); i++) {
            sum = sum.plus(items.get(i).update.squares(grams.get(i)));
        }
        return sum.all() == 0 ? 1 : sum.share();
    }

    /** The share of the parameters as they are now; waits. */
    public double measureShare() {
        try (StepReadings readings = new StepReadings(engine.device())) {
            allot(readings);
            queueShare();
            readings.read();
            return shareInside();
        }
    }

    private void queueShare() {
        for (int i = 0; i < items.size(); i++) {
            memory.reset();
            items.get(i).update.queue(grams.get(i), engine, memory);
        }
    }

    @Override
    public void close() {
        memory.close();
    }
}
