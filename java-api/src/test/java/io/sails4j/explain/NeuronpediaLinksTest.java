package io.sails4j.explain;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Which published SAE a path or a configuration names. */
class NeuronpediaLinksTest {
    @TempDir
    private Path directory;

    @ParameterizedTest
    @CsvSource(nullValues = "none", textBlock = """
        models--google--gemma-scope-2b-pt-res/snapshots/ab12/layer_20/width_16k/average_l0_71/params.npz, gemma-2-2b/20-gemmascope-res-16k
        gemma-scope-9b-pt-res/layer_9/width_1m/average_l0_9/params.npz, gemma-2-9b/9-gemmascope-res-1m__l0-9
        gemma-scope-9b-it-res/layer_9/width_16k/average_l0_88/params.npz, gemma-2-9b-it/9-gemmascope-res-16k
        gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_38/params.npz, none
        gemma-scope-2b-pt-mlp/layer_20/width_16k/average_l0_71/params.npz, none
        layer_20/width_16k/average_l0_71/params.npz, none
        Llama3_1-8B-Base-LXR-8x/Llama3_1-8B-Base-L15R-8x/checkpoints/final.safetensors, llama3.1-8b/15-llamascope-res-32k
        Llama3_1-8B-Base-L0R-32x/hyperparams.json, llama3.1-8b/0-llamascope-res-131k
        Llama3_1-8B-Base-L0M-32x/hyperparams.json, none
        """)
    void pagesOfPublishedSaes(String path, String id) {
        assertThat(NeuronpediaLinks.of(directory.resolve(path)).orElse(null))
            .isEqualTo(id == null ? null : "https://www.neuronpedia.org/" + id + "/");
    }

    @Test
    void aConfigurationTellsItsPage() {
        Path told = ExplainFixtures.sae(4, 7).with("\"neuronpedia_id\": \"gemma-2-2b/12-mine\",").saeLens(directory.resolve("told"));
        assertThat(NeuronpediaLinks.of(told.resolve("sae_weights.safetensors")))
            .contains("https://www.neuronpedia.org/gemma-2-2b/12-mine/");
        Path hostile = ExplainFixtures.sae(4, 7).with("\"neuronpedia_id\": \"\\\" onclick=\",").saeLens(directory.resolve("hostile"));
        assertThat(NeuronpediaLinks.of(hostile.resolve("sae_weights.safetensors"))).isEmpty();
    }
}
