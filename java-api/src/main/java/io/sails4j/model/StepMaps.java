package io.sails4j.model;

import io.sails4j.ops.GluActivation;
import io.sails4j.ops.Ops;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.List;

/** How the linear maps of a decoding step are computed: with which adapters, for which rows. */
interface StepMaps {
    /** Each map of one input: ys[i] = linears[i](x). A step asks with the same list each time. */
    void maps(Ops ops, List<Linear> linears, List<Tensor> ys, Tensor x, TensorArena scratch);

    /** act = activation(gate(x)) * up(x). */
    void gated(Ops ops, Linear gate, Linear up, Tensor act, Tensor x, GluActivation activation, TensorArena scratch);
}
