package io.sails4j.align;

import io.sails4j.io.InputException;
import io.sails4j.config.Projection;
import io.sails4j.ops.AdamwOptions;
import io.sails4j.train.LrSchedule;
import io.sails4j.train.TrainingOptions;
import java.util.EnumSet;
import java.util.Set;

/**
 * How to align.
 *
 * @param targets linear maps with an adapter, in every layer
 * @param r rank of the adapters
 * @param alpha lora_alpha; the adapter's output is scaled by alpha / r
 * @param penalty lambda of the constraint {@code penalty}
 * @param fill what to do where the subspace has fewer dimensions than r
 * @param dpoBeta beta of DPO and IPO, weight of ORPO's odds ratio
 * @param evalPairs pairs that the loss before and after is measured on
 * @param adapter how the adapters differ from the plain one
 * @param liveReference of DPO and IPO: compute the reference in each step with the adapter off, instead of once before the first
 */
public record AlignOptions(Method method, Objective objective, Constraint constraint, double penalty, Fill fill, Set<Projection> targets, int r,
                           double alpha, double dpoBeta, int evalPairs, TrainingOptions training, AdapterOptions adapter, boolean liveReference) {
    /** What is trained: an adapter that starts in the safety subspace, a plain one, or all parameters. */
    public enum Method {
        SAILS, LORA, FULL
    }

    /** Likelihood of the aligned answers, or preference of the aligned over the unaligned (arXiv:2305.18290, arXiv:2310.12036, arXiv:2403.07691). */
    public enum Objective {
        SFT, DPO, IPO, ORPO
    }

    /**
     * What keeps the adapter's residual-facing factor F in the subspace: nothing; a penalty lambda |(I - UU^T) F|^2; projected
     * gradients, which Adam's element-wise scaling still lets leave it; projection of every update, which holds it there; or a factor that is made
     * of the subspace's basis, F = U C with C trained, which cannot leave it.
     */
    public enum Constraint {
        NONE, PENALTY, GRADIENT, UPDATE, CORE
    }

    /** Where r_s < r: an orthonormal complement fills the missing columns, or the rank of those modules becomes r_s. */
    public enum Fill {
        AUTO, COMPLEMENT, TRUNCATE
    }

    /** With the plain adapter. */
    public AlignOptions(Method method, Objective objective, Constraint constraint, double penalty, Fill fill, Set<Projection> targets, int r, double alpha,
                        double dpoBeta, int evalPairs, TrainingOptions training) {
        this(method, objective, constraint, penalty, fill, targets, r, alpha, dpoBeta, evalPairs, training, AdapterOptions.plain());
    }

    /** With a reference that is computed once. */
    public AlignOptions(Method method, Objective objective, Constraint constraint, double penalty, Fill fill, Set<Projection> targets, int r, double alpha,
                        double dpoBeta, int evalPairs, TrainingOptions training, AdapterOptions adapter) {
        this(method, objective, constraint, penalty, fill, targets, r, alpha, dpoBeta, evalPairs, training, adapter, false);
    }

    public AlignOptions {
        if (adapter.init() != AdapterOptions.Init.KAIMING && method != Method.LORA) {
            throw new InputException("the start '" + lower(adapter.init()) + "' is one of plain adapters: use --method lora");
        }
        if (adapter.dora() && method != Method.LORA) {
            throw new InputException("DoRA is a variant of plain adapters: its lengths would leave the subspace; use --method lora");
        }
        targets = Set.copyOf(targets);
        if (targets.isEmpty() && method != Method.FULL) {
            throw new InputException("there is no target module, expected some of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj");
        }
        if (r < 1) {
            throw new InputException("the LoRA rank is " + r + ", expected 1 or more");
        }
        if (!(alpha > 0) || Double.isInfinite(alpha)) {
            throw new InputException("lora_alpha is " + alpha + ", expected a positive number");
        }
        if (constraint != Constraint.NONE && method != Method.SAILS) {
            throw new InputException("the constraint '" + lower(constraint) + "' needs the safety subspace: use --method sails");
        }
        if (!(penalty >= 0) || Double.isInfinite(penalty)) {
            throw new InputException("the penalty is " + penalty + ", expected 0 or more");
        }
        if (!(dpoBeta > 0) || Double.isInfinite(dpoBeta)) {
            throw new InputException("beta of the preference objective is " + dpoBeta + ", expected a positive number");
        }
        boolean stays = constraint == Constraint.GRADIENT || constraint == Constraint.UPDATE || constraint == Constraint.CORE;
        if (fill == Fill.COMPLEMENT && stays) {
            throw new InputException("the fill 'complement' starts outside the subspace, which the constraint '" + lower(constraint)
                + "' does not allow; use --fill truncate");
        }
        if (fill == Fill.AUTO) {
            fill = stays ? Fill.TRUNCATE : Fill.COMPLEMENT;
        }
        if (liveReference && objective != Objective.DPO && objective != Objective.IPO) {
            throw new InputException("the objective '" + lower(objective) + "' has no reference: leave out --reference live, or use dpo or ipo");
        }
        if (liveReference && method == Method.FULL) {
            throw new InputException("a live reference is the model without its adapter, and --method full trains the model itself: use --reference cached");
        }
        if (training.more().bf16Masters() && method != Method.FULL) {
            throw new InputException("adapters are trained in f32: --master bf16 is for --method full");
        }
        if (evalPairs < 1) {
            throw new InputException("the number of evaluation pairs is " + evalPairs + ", expected 1 or more");
        }
    }

    public AlignOptions withLiveReference() {
        return new AlignOptions(method, objective, constraint, penalty, fill, targets, r, alpha, dpoBeta, evalPairs, training, adapter, true);
    }

    private static String lower(Enum<?> value) {
        return value.name().toLowerCase(java.util.Locale.ROOT);
    }

    /** The paper's modules and rank, plain settings elsewhere. */
    public static AlignOptions defaults() {
        return new AlignOptions(Method.SAILS, Objective.SFT, Constraint.NONE, 1, Fill.AUTO,
            EnumSet.of(Projection.Q_PROJ, Projection.K_PROJ, Projection.V_PROJ, Projection.O_PROJ), 16, 16, 0.1, 32,
            new TrainingOptions(1, 0, 8192, 2048, new AdamwOptions(2e-4, 0.9, 0.999, 1e-8, 0), 1, LrSchedule.COSINE, 0.03, 0));
    }
}
