package io.sails4j.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;

class ModelConfigTest {
    @Test
    void aBuilderOfAConfigurationGivesItBack() {
        for (String name : List.of("2b", "9b", "27b", "llama-3.1-8b", "llama-3.2-1b", "llama-3.2-3b")) {
            assertThat(ModelConfig.named(name).toBuilder().build()).isEqualTo(ModelConfig.named(name));
        }
    }

    @Test
    void publishedParameterCounts() {
        assertThat(ModelConfig.gemma2_2b().parameterCount()).isEqualTo(2_614_341_888L);
        assertThat(ModelConfig.gemma2_9b().parameterCount()).isEqualTo(9_241_705_984L);
        assertThat(ModelConfig.llama31_8b().parameterCount()).isEqualTo(8_030_261_248L);
        assertThat(ModelConfig.llama32_1b().parameterCount()).isEqualTo(1_235_814_400L);
    }

    @Test
    void whatIsNotSaidFollowsTheFamily() {
        ModelConfig gemma = ModelConfig.gemma2().vocabSize(9).dModel(8).layers(3).heads(2, 1).headDim(4).dFf(16).build();
        assertThat(gemma.sliding()).containsExactly(true, false, true);
        assertThat(gemma.queryPreAttnScalar()).isEqualTo(4);
        assertThat(gemma.tiedHead()).isTrue();
        ModelConfig llama = ModelConfig.llama3().vocabSize(9).dModel(8).layers(2).heads(2, 1).headDim(4).dFf(16).build();
        assertThat(llama.sliding()).containsExactly(false, false);
        assertThat(llama.attnLogitSoftcap()).isZero();
        assertThat(llama.padId()).isEqualTo(ModelConfig.NO_ID);
    }

    @Test
    void aSizeThatIsMissingIsNamed() {
        assertThatThrownBy(() -> ModelConfig.gemma2().vocabSize(9).dModel(8).layers(3).heads(2, 1).dFf(16).build())
            .isInstanceOf(IllegalStateException.class).hasMessageContaining("head dimension 0");
    }
}
