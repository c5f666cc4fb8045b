package io.sails4j.model;

import io.sails4j.ops.GluActivation;
import io.sails4j.ops.LinearMap;
import io.sails4j.ops.Ops;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** All rows by the same adapters, which are part of the products where they can be. */
final class OneStackMaps implements StepMaps {
    private final AdapterStack adapters;
    /** By the list that is asked with, each as one operation takes it; empty where it must be several. */
    private final Map<List<Linear>, List<LinearMap>> fused = new IdentityHashMap<>();

    OneStackMaps(AdapterStack adapters) {
        this.adapters = adapters;
    }

    @Override
    public void maps(Ops ops, List<Linear> linears, List<Tensor> ys, Tensor x, TensorArena scratch) {
        List<LinearMap> all = fused(linears);
        if (!all.isEmpty()) {
            ops.linear().linearSetForward(ys, x, all);
            return;
        }
        for (int i = 0; i < ys.size(); i++) {
            one(ops, linears.get(i), ys.get(i), x, scratch);
        }
    }

    private List<LinearMap> fused(List<Linear> linears) {
        List<LinearMap> known = fused.get(linears);
        if (known == null) {
            List<LinearMap> all = linears.stream().map(linear -> linear.single(adapters)).filter(Objects::nonNull).toList();
            known = all.size() == linears.size() ? all : List.of();
            fused.put(linears, known);
        }
        return known;
    }

    private void one(Ops ops, Linear linear, Tensor y, Tensor x, TensorArena scratch) {
        TensorArena.Mark mark = scratch.mark();
        linear.into(ops, y, x, adapters, scratch);
        scratch.release(mark);
    }

    @Override
    public void gated(Ops ops, Linear gate, Linear up, Tensor act, Tensor x, GluActivation activation, TensorArena scratch) {
        LinearMap gateMap = gate.single(adapters);
        LinearMap upMap = up.single(adapters);
        if (gateMap != null && upMap != null) {
            ops.linear().linearGluForward(act, x, gateMap, upMap, activation);
            return;
        }
        TensorArena.Mark mark = scratch.mark();
        Tensor other = scratch.allocate(act.dtype(), act.shape().toArray());
        one(ops, gate, act, x, scratch);
        one(ops, up, other, x, scratch);
        ops.block().gluForward(act, act, other, activation);
        scratch.release(mark);
    }
}
