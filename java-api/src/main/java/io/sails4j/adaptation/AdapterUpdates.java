package io.sails4j.adaptation;

import io.sails4j.config.ModuleKey;
import io.sails4j.lora.LoraMerge;
import io.sails4j.model.CausalModel;
import io.sails4j.model.LowRankAdapter;
import io.sails4j.objective.StepReadings;
import io.sails4j.ops.Engine;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** How large the update of each module of an adapter is, and how much of it lies inside a subspace. */
public final class AdapterUpdates {
    /** Rows of a weight that are looked at together where the update has no low rank. */
    private static final long BLOCK = 1024;

    private final CausalModel model;
    private final Engine engine;
    private final @Nullable SubspaceBases bases;
    private final TensorArena memory;
    private final long block;

    private AdapterUpdates(CausalModel model, @Nullable SubspaceBases bases, TensorArena memory, long block) {
        this.model = model;
        this.engine = model.engine();
        this.bases = bases;
        this.memory = memory;
        this.block = block;
    }

    /**
     * dW as it acts on the model: with its scale, and with DoRA the adapted weight less the model's.
     *
     * @param subspace null where nobody asks what lies inside: it is 0 then
     */
    public static SortedMap<ModuleKey, UpdateSquares> of(CausalModel model, Map<ModuleKey, LowRankAdapter> adapter,
        @Nullable SafetySubspace subspace) {
        return of(model, adapter, subspace, BLOCK);
    }

    /** @param block rows that are looked at together */
    static SortedMap<ModuleKey, UpdateSquares> of(CausalModel model, Map<ModuleKey, LowRankAdapter> adapter,
        @Nullable SafetySubspace subspace, long block) {
        SortedMap<ModuleKey, UpdateSquares> squares = new TreeMap<>();
        try (@Nullable
        SubspaceBases bases = subspace == null ? null : new SubspaceBases(subspace, model.engine().device());
             TensorArena memory = new TensorArena(model.engine().device())) {
            AdapterUpdates updates = new AdapterUpdates(model, bases, memory, block);
            adapter.forEach((module, factors) -> {
                memory.reset();
                squares.put(module, factors.dora() == null ? updates.lowRank(module, factors) : updates.dense(module, factors));
            });
        }
        return squares;
    }

    /** The space of dimension 0 is a column of zeros. */
    private Tensor basis(ModuleKey module) {
        return bases == null ? memory.zeros(DType.F32, model.config().dModel(), 1) : bases.of(module);
    }

    private UpdateSquares lowRank(ModuleKey module, LowRankAdapter factors) {
        ModuleUpdate update = new ModuleUpdate(factors, basis(module), module.projection().readsResidual());
        try (StepReadings readings = new StepReadings(engine.device())) {
            ModuleUpdate.Grams grams = update.allot(readings);
            update.queue(grams, engine, memory);
            readings.read();
            return update.squares(grams).times((double) factors.scale() * factors.scale());
        }
    }

    /** DoRA scales the rows of the adapted weight (arXiv:2402.09353 eq. 5): dW has no low rank and is made a block of rows at a time. */
    private UpdateSquares dense(ModuleKey module, LowRankAdapter factors) {
        Tensor weight = model.weights().dense(module.path() + ".weight", memory);
        Tensor basis = basis(module);
        boolean right = module.projection().readsResidual();
        Tensor coordinates = memory.zeros(DType.F32, basis.dim(1), weight.dim(1));
        UpdateSquares sum = UpdateSquares.ZERO;
        for (long from = 0; from < weight.dim(0); from += block) {
            TensorArena.Mark mark = memory.mark();
            Tensor update = rowsOfUpdate(weight.rows(from, Math.min(block, weight.dim(0) - from)), factors, from);
            double inside = 0;
            if (right) {
                Tensor inBasis = memory.allocate(DType.F32, update.dim(0), basis.dim(1));
                engine.ops().matmul().matmul(inBasis, update, basis, false, false, 1, 0);
                inside = square(inBasis);
            } else {
                engine.ops().matmul().matmul(coordinates, basis.rows(from, update.dim(0)), update, true, false, 1, 1);
            }
            sum = sum.plus(new UpdateSquares(square(update), inside));
            memory.release(mark);
        }
        return right ? sum : new UpdateSquares(sum.all(), square(coordinates));
    }

    private Tensor rowsOfUpdate(Tensor weight, LowRankAdapter factors, long from) {
        Tensor base = weight;
        if (weight.dtype() != DType.F32) {
            base = memory.allocate(DType.F32, weight.dim(0), weight.dim(1));
            engine.ops().elementwise().convert(base, weight);
        }
        Tensor update = memory.allocate(DType.F32, weight.dim(0), weight.dim(1));
        update.copyFrom(base);
        LoraMerge.addTo(update, factors, from, engine);
        engine.ops().elementwise().axpby(update, base, -1, 1);
        return update;
    }

    private double square(Tensor x) {
        return engine.ops().elementwise().sumOfSquares(List.of(x))[0];
    }
}
