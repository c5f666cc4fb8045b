package io.sails4j.align;

/**
 * What keeps the adapter's residual-facing factor F in the subspace: nothing; a penalty lambda |(I - UU^T) F|^2; projected gradients, which
 * Adam's element-wise scaling still lets leave it; projection of every update, which holds it there; or a factor that is made of the
 * subspace's basis, F = U C with C trained, which cannot leave it.
 */
public enum Constraint {
    NONE, PENALTY, GRADIENT, UPDATE, CORE
}
