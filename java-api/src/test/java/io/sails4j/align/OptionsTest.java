package io.sails4j.align;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.data.DataOptions;
import io.sails4j.options.Options;
import io.sails4j.subspace.SubspaceOptions;
import io.sails4j.train.RecomputeOption;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Records of options as a list, in files and in messages. */
class OptionsTest {
    private static final AlignOptions DEFAULTS = AlignOptions.defaults();

    @Test
    void everyOptionHasANameOfItsOwnAndASentence() {
        Set<String> names = new HashSet<>();
        for (Record record : List.of(DEFAULTS, DataOptions.defaults(), SubspaceOptions.defaults())) {
            for (Options.Entry entry : Options.of(record)) {
                assertThat(names.add(entry.name())).as(entry.name() + " stands once").isTrue();
                assertThat(entry.name()).matches("[a-z][a-z0-9]*(_[a-z0-9]+)*");
                assertThat(entry.description()).as(entry.name()).isNotBlank().doesNotEndWith(".").doesNotContain("--");
                assertThat(entry.group()).as(entry.name()).isNotBlank();
            }
        }
        assertThat(names).contains("micro_batch_tokens", "optimizer_8bit", "lora_alpha", "use_dora", "eval_pairs", "max_length", "top_k",
            "beta1");
    }

    @Test
    void filesHoldTheValuesByTheirNames() {
        ObjectNode json = Options.json(DEFAULTS);
        assertThat(json.get("method").asText()).isEqualTo("sails");
        assertThat(json.get("targets").toString()).isEqualTo("[\"q_proj\",\"k_proj\",\"v_proj\",\"o_proj\"]");
        assertThat(json.get("lr").asDouble()).isEqualTo(2e-4);
        assertThat(json.get("optimizer_8bit").isBoolean()).isTrue();
        assertThat(json.get("rank_pattern").isObject()).isTrue();
        assertThat(json.get("recompute").asText()).isEqualTo("off");
        assertThat(json.get("fill").asText()).isEqualTo("complement");
    }

    @Test
    void whatChangesMemoryTimeOrCheckpointsAloneDecidesNothing() {
        Set<String> deciding = new HashSet<>();
        Options.deciding(DEFAULTS).fieldNames().forEachRemaining(deciding::add);
        Set<String> all = new HashSet<>();
        Options.json(DEFAULTS).fieldNames().forEachRemaining(all::add);
        all.removeAll(deciding);
        assertThat(all).containsExactlyInAnyOrder("recompute", "graphs", "sequences", "checkpoint_every", "keep_checkpoints");
    }

    @Test
    void otherValuesByName() {
        AlignOptions other = Options.with(DEFAULTS,
            Map.of("r", 4, "micro_batch_tokens", 7, "recompute", RecomputeOption.lowest(3), "keep_checkpoints", 5));
        assertThat(other.adapter().r()).isEqualTo(4);
        assertThat(other.training().batching().microBatchTokens()).isEqualTo(7);
        assertThat(Options.json(other).get("recompute").asText()).isEqualTo("3");
        assertThat(other.run().checkpoints().keepCheckpoints()).isEqualTo(5);
        assertThat(Options.with(DEFAULTS, Map.of())).isEqualTo(DEFAULTS);
        assertThatThrownBy(() -> Options.with(DEFAULTS, Map.of("epochs", 0))).isInstanceOf(InputException.class)
            .hasMessage("epochs is 0, expected 1 or more");
    }
}
