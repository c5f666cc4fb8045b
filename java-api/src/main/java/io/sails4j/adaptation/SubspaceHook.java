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
    private final List<Grams> grams = new ArrayList<>();

    /** One module's Gram matrices [r, r] of lora_A, of lora_B and of its facing factor's coordinates in the subspace. */
    private record Grams(StepReadings.Reading a, StepReadings.Reading b, StepReadings.Reading coordinates) {
        static Grams allot(Item item, StepReadings readings) {
            long r = item.factors.r();
            return new Grams(readings.add(DType.F32, r, r), readings.add(DType.F32, r, r), readings.add(DType.F32, r, r));
        }
    }

    /** One module; {@code right}: the subspace is on the right of F. */
    private record Item(LowRankAdapter factors, Tensor gradient, Tensor basis, boolean right) {
        Tensor facing() {
            return right ? factors.loraA() : factors.loraB();
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
        return new Item(factors, right ? gradient.dLoraA() : gradient.dLoraB(), basis, right);
    }

    @Override
    public void allot(StepReadings readings) {
        // Pieces of memory are joined here, and not while the calls are recorded.
        memory.reset();
        penalties.clear();
        grams.clear();
        for (Item item : items) {
            grams.add(Grams.allot(item, readings));
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

    /**
     * Share of the weight update that lies in the subspace: sum |P dW|^2 / sum |dW|^2 with dW = lora_B lora_A and P on the residual side;
     * by the Gram matrices of the factors, since |B A|^2 = trace(B^T B A A^T).
     */
    @Override
    public double shareInside() {
        double inside = 0;
        double all = 0;
        for (int i = 0; i < items.size(); i++) {
            Grams g = grams.get(i);
            int r = (int) items.get(i).factors.r();
            all += trace(g.a, g.b, r);
            inside += items.get(i).right ? trace(g.coordinates, g.b, r) : trace(g.a, g.coordinates, r);
        }
        return all == 0 ? 1 : Math.min(1, inside / all);
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
            Item item = items.get(i);
            Grams g = grams.get(i);
            memory.reset();
            LowRankAdapter f = item.factors();
            Tensor coordinates = memory.allocate(DType.F32, item.right() ? f.r() : item.basis().dim(1),
                item.right() ? item.basis().dim(1) : f.r());
            if (item.right()) {
                engine.ops().matmul().matmul(coordinates, f.loraA(), item.basis(), false, false, 1, 0);
            } else {
                engine.ops().matmul().matmul(coordinates, item.basis(), f.loraB(), true, false, 1, 0);
            }
            gram(g.a, f.loraA(), true);
            gram(g.b, f.loraB(), false);
            gram(g.coordinates, coordinates, item.right());
        }
    }

    /** X X^T (rows) or X^T X. */
    private void gram(StepReadings.Reading gram, Tensor x, boolean rows) {
        engine.ops().matmul().matmul(gram.tensor(), x, x, !rows, rows, 1, 0);
    }

    private static double trace(StepReadings.Reading a, StepReadings.Reading b, int r) {
        double sum = 0;
        for (int i = 0; i < r; i++) {
            for (int j = 0; j < r; j++) {
                sum += a.value((long) i * r + j) * b.value((long) j * r + i);
            }
        }
        return sum;
    }

    @Override
    public void close() {
        memory.close();
    }
}
