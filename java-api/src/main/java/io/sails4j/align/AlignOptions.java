package io.sails4j.align;

import io.sails4j.InputException;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;
import io.sails4j.options.Options;
import io.sails4j.train.Batching;
import io.sails4j.train.Master;
import io.sails4j.train.ObjectiveOptions;
import io.sails4j.train.Reference;
import io.sails4j.train.RunOptions;
import io.sails4j.train.TrainingOptions;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;

/** How to align. */
@OptionGroup("Method")
public record AlignOptions(
    @Described("adapter that starts in the safety subspace, plain adapter, or all parameters") Method method,
    ObjectiveOptions objective,
    AdapterOptions adapter,
    ConstraintOptions constraint,
    TrainingOptions training,
    RunOptions run) {

    public AlignOptions {
        AdapterVariant variant = adapter.variant();
        if (variant.init() != AdapterVariant.Init.KAIMING && method != Method.LORA) {
            throw new InputException("the start '" + Options.label(variant.init()) + "' is one of plain adapters: use method=lora");
        }
        if (variant.useDora() && method != Method.LORA) {
            throw new InputException("DoRA is a variant of plain adapters: its lengths would leave the subspace; use method=lora");
        }
        if (adapter.targets().isEmpty() && method != Method.FULL) {
            throw new InputException(
                "there is no target module, expected some of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj");
        }
        if (constraint.constraint() != Constraint.NONE && method != Method.SAILS) {
            throw new InputException(
                "the constraint '" + Options.label(constraint.constraint()) + "' needs the safety subspace: use method=sails");
        }
        if (objective.reference() == Reference.LIVE && method == Method.FULL) {
            throw new InputException(
                "a live reference is the model without its adapter, and method=full trains the model itself: use reference=cached");
        }
        if (objective.objective().samplesAnswers()) {
            requireSampling(method, objective, training);
        }
        if (training.optimizer().state().master() == Master.BF16 && method != Method.FULL) {
            throw new InputException("adapters are trained in f32: master=bf16 is for method=full");
        }
    }

    private static void requireSampling(Method method, ObjectiveOptions objective, TrainingOptions training) {
        String name = Options.label(objective.objective());
        if (method == Method.FULL && objective.policy().klBeta() > 0) {
            throw new InputException("the reference of the objective '" + name
                + "' is the model with the adapter off, and method=full trains the model itself: use kl_beta=0, or train an adapter");
        }
        if (training.batching().batchTokens() != Batching.defaults().batchTokens()) {
            throw new InputException("the objective '" + name
                + "' does not use batch_tokens: leave it out, a step has prompts_per_step prompts with as many answers as samples says");
        }
    }

    /** The paper's modules and rank, plain settings elsewhere. */
    public static AlignOptions defaults() {
        return new AlignOptions(Method.SAILS, ObjectiveOptions.sft(), AdapterOptions.ofAttention(16), ConstraintOptions.none(),
            TrainingOptions.defaults(),
            RunOptions.of(32));
    }

    /**
     * The defaults with other values by the options' names; what defaults settle of other options follows from these.
     *
     * @throws InputException where values do not go together, or one does nothing beside the others
     */
    public static AlignOptions given(Map<String, Object> values) {
        AlignOptions made = shared(values);
        Options.requireUsed(made, values.keySet());
        return made;
    }

    /**
     * The same with values that several runs share: one that does nothing in this run is passed over.
     *
     * @throws InputException where values do not go together
     */
    public static AlignOptions shared(Map<String, Object> values) {
        AlignOptions defaults = defaults();
        Map<String, Object> all = new HashMap<>(values);
        all.putIfAbsent("fill", Fill.AUTO);
        all.putIfAbsent("lora_alpha", ((Number) all.getOrDefault("r", defaults.adapter().r())).doubleValue());
        return Options.with(defaults, all);
    }

    /** Other options: {@code change} gets a builder that has these. */
    public AlignOptions with(Consumer<Builder> change) {
        Builder builder = new Builder(this);
        change.accept(builder);
        return new AlignOptions(builder.method, builder.objective, builder.adapter, builder.constraint, builder.training, builder.run);
    }

    /** The components, to be changed. */
    public static final class Builder {
        public Method method;
        public ObjectiveOptions objective;
        public AdapterOptions adapter;
        public ConstraintOptions constraint;
        public TrainingOptions training;
        public RunOptions run;

        private Builder(AlignOptions from) {
            method = from.method;
            objective = from.objective;
            adapter = from.adapter;
            constraint = from.constraint;
            training = from.training;
            run = from.run;
        }
    }
}
