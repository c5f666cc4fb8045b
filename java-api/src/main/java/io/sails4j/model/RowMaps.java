package io.sails4j.model;

import io.sails4j.config.ModuleKey;
import io.sails4j.ops.GluActivation;
import io.sails4j.ops.GluKept;
import io.sails4j.ops.LowRank;
import io.sails4j.ops.Ops;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Each row by adapters of its own: one product of all rows with the weight, to which each row's adapters are added. A row's bits do not
 * depend on what the other rows ask for, nor on whether they ask for anything.
 */
final class RowMaps implements StepMaps {
    private final @Nullable AdapterStack[] rows;
    private final Tensor rowAdapter;
    /** What a number in {@link #rowAdapter} means. */
    private final List<AdapterStack> stacks = new ArrayList<>();
    private final Map<ModuleKey, List<List<LowRank>>> additions = new HashMap<>();
    private final OneStackMaps without = new OneStackMaps(AdapterStack.none());
    private int depth;
    private boolean changed = true;

    RowMaps(int rows, TensorArena memory) {
        this.rows = new @Nullable AdapterStack[rows];
        this.rowAdapter = memory.allocate(DType.I32, rows);
    }

    /** Whether a stack's adapters can be added to a row; what DoRA makes of a map is no addition. */
    static boolean takes(AdapterStack stack) {
        return stack.adapters().stream().allMatch(adapter -> adapter.values().stream().allMatch(part -> part.dora() == null));
    }

    /**
     * From now on a row is computed by these adapters; null: nobody cares for it.
     *
     * @return whether a step that was recorded before computes something else now
     */
    boolean use(int row, @Nullable AdapterStack stack) {
        rows[row] = stack;
        changed = true;
        if (stack == null || stack.adapters().isEmpty() || stacks.contains(stack)) {
            return false;
        }
        List<@Nullable AdapterStack> asked = Arrays.asList(rows);
        int free = IntStream.range(0, stacks.size()).filter(i -> !asked.contains(stacks.get(i))).findFirst().orElse(-1);
        if (free < 0) {
            stacks.add(stack);
        } else {
            stacks.set(free, stack);
        }
        depth = stacks.stream().mapToInt(one -> one.adapters().size()).max().orElse(0);
        additions.clear();
        return true;
    }

    /** Tells the device which rows ask for what, where that has changed. */
    void upload() {
        if (changed) {
            rowAdapter.upload(Arrays.stream(rows).mapToInt(stack -> stack == null ? -1 : stacks.indexOf(stack)).toArray());
            changed = false;
        }
    }

    @Override
    public void maps(Ops ops, List<Linear> linears, List<Tensor> ys, Tensor x, TensorArena scratch) {
        without.maps(ops, linears, ys, x, scratch);
        for (int i = 0; i < ys.size(); i++) {
            add(ops, linears.get(i), ys.get(i), x);
        }
    }

    /** Gate and up are kept whether something is added to them or not: act is the same of both. */
    @Override
    public void gated(Ops ops, Linear gate, Linear up, Tensor act, Tensor x, GluActivation activation, TensorArena scratch) {
        TensorArena.Mark mark = scratch.mark();
        Tensor gateOut = scratch.allocate(act.dtype(), act.shape().toArray());
        Tensor upOut = scratch.allocate(act.dtype(), act.shape().toArray());
        boolean packed = gate.isPacked() || up.isPacked();
        if (packed) {
            gate.into(ops, gateOut, x, AdapterStack.none(), scratch);
            up.into(ops, upOut, x, AdapterStack.none(), scratch);
        } else {
            ops.linear().linearGluForward(act, new GluKept(gateOut, upOut, null, null), x, gate.plain(), up.plain(), activation);
        }
        boolean added = add(ops, gate, gateOut, x) | add(ops, up, upOut, x);
        if (packed || added) {
            ops.block().gluForward(act, gateOut, upOut, activation);
        }
        scratch.release(mark);
    }

    /** Whether some adapter of the stacks has a part in the map. */
    private boolean add(Ops ops, Linear linear, Tensor y, Tensor x) {
        List<List<LowRank>> levels = additions.get(linear.key());
        if (levels == null) {
            levels = levels(linear.key());
            additions.put(linear.key(), levels);
        }
        for (List<LowRank> level : levels) {
            ops.linear().loraRowsForward(y, x, rowAdapter, level);
        }
        return !levels.isEmpty();
    }

    /** The first adapters of all stacks, then the second ones: those of one stack are added one after another. */
    private List<List<LowRank>> levels(ModuleKey key) {
        List<List<LowRank>> levels = new ArrayList<>();
        for (int level = 0; level < depth; level++) {
            List<LowRank> parts = new ArrayList<>();
            for (AdapterStack stack : stacks) {
                LowRankAdapter part = stack.adapters().size() <= level ? null : stack.partsOf(key)[level];
                parts.add(part == null ? LowRank.none() : new LowRank(part.loraA(), part.loraB(), part.scale()));
            }
            if (parts.stream().anyMatch(part -> part.loraA() != null)) {
                levels.add(parts);
            }
        }
        return levels;
    }
}
