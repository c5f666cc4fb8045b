package io.sails4j.align;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.fail;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.InputException;
import io.sails4j.config.Projection;
import io.sails4j.ops.Graphs;
import io.sails4j.options.Options;
import io.sails4j.train.LrSchedule;
import io.sails4j.train.Master;
import io.sails4j.train.Objective;
import io.sails4j.train.RecomputeOption;
import io.sails4j.train.Reference;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** Every option beside every method, objective and constraint: it does something there, or it is refused by its name. */
class UsedOptionsTest {
    /** An option: a value that is not its default, what else has to be given for that, and where it does something. */
    private record Case(Object value, Map<String, Object> with, Predicate<AlignOptions> used) {
    }

    private static final Predicate<AlignOptions> ALWAYS = _ -> true;
    private static final Predicate<AlignOptions> ADAPTER = o -> o.method() != Method.FULL;
    private static final Predicate<AlignOptions> PLAIN = o -> o.method() == Method.LORA;
    private static final Predicate<AlignOptions> IN_SUBSPACE = o -> o.method() == Method.SAILS;
    private static final Predicate<AlignOptions> SAMPLES = o -> o.objective().objective().samplesAnswers();
    private static final Predicate<AlignOptions> GRPO = o -> o.objective().objective() == Objective.GRPO;

    private static Map<String, Case> cases() {
        Map<String, Case> cases = new LinkedHashMap<>();
        put(cases, Map.of("epochs", 2, "max_steps", 3L, "micro_batch_tokens", 64, "packing", true, "lr", 1e-3, "weight_decay", 0.5,
            "max_grad_norm", 2.0, "ema_decay", 0.5, "optimizer_8bit", true, "warmup", 0.25), ALWAYS);
        put(cases, Map.of("schedule", LrSchedule.LINEAR, "recompute", RecomputeOption.full(), "graphs", Graphs.OFF, "checkpoint_every", 7L,
            "keep_checkpoints", 3, "eval_pairs", 5, "eval_every", 2L, "seed", 9L, "beta1", 0.5, "beta2", 0.5), ALWAYS);
        put(cases, Map.of("eps", 1e-7, "method", Method.LORA, "objective", Objective.DPO), ALWAYS);
        put(cases, Map.of("targets", Set.of(Projection.Q_PROJ), "r", 3, "lora_alpha", 5.0, "use_rslora", true, "lora_plus_ratio", 4.0,
            "rank_pattern", Map.of("q_proj", 2), "alpha_pattern", Map.of("q_proj", 2.0)), ADAPTER);
        put(cases, Map.of("init", AdapterVariant.Init.ORTHOGONAL, "use_dora", true), PLAIN);
        put(cases, Map.of("constraint", Constraint.GRADIENT, "fill", Fill.TRUNCATE), IN_SUBSPACE);
        put(cases, Map.of("penalty", 3.0), o -> IN_SUBSPACE.test(o) && o.constraint().constraint() == Constraint.PENALTY);
        put(cases, Map.of("batch_tokens", 512), SAMPLES.negate());
        put(cases, Map.of("beta", 0.5), SAMPLES.negate().and(o -> o.objective().objective() != Objective.SFT));
        put(cases, Map.of("reference", Reference.LIVE),
            o -> ADAPTER.test(o) && Set.of(Objective.DPO, Objective.IPO).contains(o.objective().objective()));
        put(cases, Map.of("samples", 3, "prompts_per_step", 3, "kl_beta", 0.0, "max_new_tokens", 7, "temperature", 0.5, "top_p", 0.5,
            "sequences", 5, "decode_rows", 6), SAMPLES);
        put(cases, Map.of("clip", 0.5, "inner_updates", 3), GRPO);
        put(cases, Map.of("master", Master.BF16), ADAPTER.negate());
        cases.put("patience", new Case(3, Map.of("eval_every", 2L), ALWAYS));
        cases.put("keep_best", new Case(true, Map.of("eval_every", 2L), ALWAYS));
        cases.put("decay_vectors", new Case(true, Map.of("weight_decay", 0.5), ADAPTER.negate()));
        return cases;
    }

    private static void put(Map<String, Case> cases, Map<String, Object> values, Predicate<AlignOptions> used) {
        values.forEach((name, value) -> cases.put(name, new Case(value, Map.of(), used)));
    }

    /** A method, an objective and a constraint, and what has to be given for them. */
    private record Combination(Map<String, Object> given, AlignOptions options) {
        static Combination of(Method method, Objective objective, Constraint constraint) {
            Map<String, Object> given = new HashMap<>(Map.of("method", method, "objective", objective));
            if (constraint != Constraint.NONE) {
                given.put("constraint", constraint);
            }
            if (method == Method.FULL && objective.samplesAnswers()) {
                given.put("kl_beta", 0.0);
            }
            return new Combination(given, AlignOptions.given(given));
        }
    }

    /** Each method with each kind of objective, each objective and each constraint once. */
    private static List<Combination> combinations() {
        List<Combination> all = new ArrayList<>();
        for (Objective objective : Objective.values()) {
            all.add(Combination.of(Method.LORA, objective, Constraint.NONE));
        }
        for (Objective objective : List.of(Objective.SFT, Objective.DPO, Objective.GRPO)) {
            all.add(Combination.of(Method.FULL, objective, Constraint.NONE));
            all.add(Combination.of(Method.SAILS, objective, Constraint.NONE));
        }
        for (Constraint constraint : Constraint.values()) {
            all.add(Combination.of(Method.SAILS, Objective.SFT, constraint));
        }
        return all;
    }

    @Test
    void eachOptionIsInTheTable() {
        assertThat(cases().keySet())
            .isEqualTo(Options.of(AlignOptions.defaults()).stream().map(Options.Entry::name).collect(Collectors.toSet()));
    }

    @Test
    void eachOptionDoesSomethingOrIsRefused() {
        List<Combination> combinations = combinations();
        JsonNode usual = Options.json(AlignOptions.defaults());
        cases().forEach((name, option) -> {
            boolean everUsed = Set.of("method", "objective").contains(name);
            for (Combination combination : combinations) {
                Map<String, Object> given = new HashMap<>(combination.given);
                given.putAll(option.with);
                if (given.put(name, option.value) != null && !name.equals("kl_beta")) {
                    continue;
                }
                boolean used = option.used.test(combination.options);
                everUsed |= used;
                if (used == refuses(given)) {
                    fail(name + (used ? " is refused" : " is taken") + " beside " + combination.given);
                }
                if (used && Options.json(AlignOptions.given(given)).path(name).equals(usual.path(name))) {
                    fail(name + " changes nothing beside " + combination.given);
                }
            }
            assertThat(everUsed).as(name).isTrue();
        });
    }

    private static boolean refuses(Map<String, Object> given) {
        try {
            AlignOptions.given(given);
            return false;
        } catch (InputException e) {
            return true;
        }
    }

    @Test
    void whatIsGivenWithItsDefaultIsRefusedToo() {
        assertThatExceptionOfType(InputException.class).isThrownBy(() -> AlignOptions.given(Map.of("clip", 0.2)))
            .withMessage("clip is given, and it does something only with objective=grpo; here it is objective=sft: leave it out, or change"
                + " that");
        assertThatExceptionOfType(InputException.class).isThrownBy(() -> AlignOptions.given(Map.of("method", Method.FULL, "r", 16)))
            .withMessageStartingWith("r is given, and it does something only with method=sails or method=lora; here it is method=full");
    }

    @Test
    void whoeverWantsDoraOnItsVectorsMayDecayThem() {
        AlignOptions options = AlignOptions
            .given(Map.of("method", Method.LORA, "use_dora", true, "weight_decay", 0.1, "decay_vectors", true));
        assertThat(options.training().optimizer().decayVectors()).isTrue();
        assertThatExceptionOfType(InputException.class)
            .isThrownBy(() -> AlignOptions.given(Map.of("method", Method.FULL, "decay_vectors", true)))
            .withMessageContaining("weight_decay above 0");
    }
}
