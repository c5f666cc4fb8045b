package io.sails4j.sae;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.sails4j.InputException;
import io.sails4j.files.JsonObject;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Every spelling of a place, and what it is: the residual stream after a layer, another place, or not told. */
class SaeHookTest {
    private static final Path FILE = Path.of("sae.safetensors");

    private static SaeHook saeLens(String json) {
        try {
            return SaeLensHook.read(new JsonObject("x/cfg.json", new ObjectMapper().readTree(json)));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static SaeHook llamaScope(String directory, String fields) {
        String json = "{\"d_model\": 4, \"d_sae\": 8, \"act_fn\": \"relu\"" + (fields.isEmpty() ? "" : ", ") + fields + "}";
        try {
            return LlamaScopeConfig.read(new JsonObject("x/hyperparams.json", new ObjectMapper().readTree(json)), directory).hook();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static void isAt(SaeHook hook, String place) {
        assertThat(hook.place() + (hook.layer() == null ? "" : " " + hook.layer())).isEqualTo(place.toUpperCase(Locale.ROOT));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        blocks.5.hook_resid_post | residual 5
        blocks.0.hook_resid_post | residual 0
        blocks.5.hook_resid_pre | residual 4
        blocks.0.hook_resid_pre | residual -1
        model.layers.12 | residual 12
        layers.12 | residual 12
        model.layers.12.output | residual 12
        model.layers.12.input | residual 11
        blocks.5.hook_resid_mid | elsewhere
        blocks.5.hook_mlp_out | elsewhere
        blocks.5.hook_attn_out | elsewhere
        blocks.5.attn.hook_z | elsewhere
        blocks.5.mlp.hook_post | elsewhere
        blocks.5.ln2.hook_normalized | elsewhere
        hook_embed | elsewhere
        ln_final.hook_normalized | elsewhere
        model.layers.12.mlp | elsewhere
        model.layers.12.self_attn.o_proj.input | elsewhere
        model.embed_tokens | elsewhere
        transformer.h.3 | elsewhere
        resid_post_layer_5 | elsewhere
        blocks.5.hook_resid_post_norm | elsewhere
        """)
    void names(String name, String place) {
        SaeHook hook = HookName.parse(name).from("a test");
        isAt(hook, place);
        assertThat(hook.name()).isEqualTo(name);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
        {"hook_name": "blocks.5.hook_resid_post", "hook_layer": 5} | residual 5
        {"hook_point": "blocks.5.hook_resid_post", "hook_point_layer": 5} | residual 5
        {"hook_point": "blocks.{layer}.hook_resid_pre", "hook_point_layer": 5} | residual 4
        {"metadata": {"hook_name": "blocks.5.hook_resid_post"}} | residual 5
        {"metadata": {"hook_name": "blocks.5.hook_resid_post", "hf_hook_name": "model.layers.5"}} | residual 5
        {"metadata": {"hook_name": "blocks.5.hook_resid_pre", "hf_hook_name": "model.layers.4.output"}} | residual 4
        {"metadata": {"hf_hook_name": "model.layers.7"}} | residual 7
        {"hf_hook_name": "model.layers.7", "hook_name": null} | residual 7
        {"hook_name": "blocks.5.hook_resid_pre", "hook_layer": 5} | residual 4
        {"hook_name": "blocks.5.hook_mlp_out", "hook_layer": 5} | elsewhere
        {"hook_name": "blocks.5.attn.hook_z", "hook_layer": 5, "hook_head_index": 3} | elsewhere
        {"hook_point": "blocks.5.hook_resid_post", "hook_point_head_index": 0} | elsewhere
        {"metadata": {"hook_name": "blocks.5.hook_resid_post", "hook_head_index": 1}} | elsewhere
        {"metadata": {"hook_name": "blocks.5.hook_resid_post", "hook_name_out": "blocks.5.hook_resid_post"}} | residual 5
        {"hook_name": "blocks.5.hook_resid_post", "hook_head_index": null, "hook_name_out": null} | residual 5
        {"hook_layer": 5} | untold 5
        {"metadata": {}} | untold
        {} | untold
        """)
    void saeLensConfigurations(String json, String place) {
        isAt(saeLens(json), place);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
        {"hook_name": "blocks.5.hook_resid_post", "hook_layer": 4} | 'hook_layer' is 4 | blocks.5.hook_resid_post
        {"hook_name": "blocks.5.hook_resid_pre", "hook_layer": 4} | 'hook_layer' is 4 | blocks.5.hook_resid_pre
        {"hook_layer": 5, "hook_point_layer": 4} | 'hook_point_layer' is 4 | expected 5
        {"hook_layer": -1} | 'hook_layer' is -1 | the number of a layer
        {"hook_name": "blocks.5.hook_resid_post", "hf_hook_name": "model.layers.4"} | 'model.layers.4' | blocks.5.hook_resid_post
        {"hook_name": "blocks.5.hook_mlp_out", "hf_hook_name": "model.layers.5"} | 'model.layers.5' | blocks.5.hook_mlp_out
        {"metadata": {"hook_name": "blocks.5.hook_resid_post"}, "hook_name": "blocks.6.hook_resid_post"} | blocks.6 | metadata
        {"hook_name": "blocks.5.hook_resid_mid", "hook_name_out": "blocks.5.hook_mlp_out"} | 'hook_name_out' | transcoder
        {"metadata": {"hook_name": "blocks.5.hook_resid_post", "hook_name_out": "blocks.6.hook_resid_post"}} | 'hook_name_out' | transcoder
        {"hook_name": "blocks.5.hook_mlp_in", "d_in": 4, "d_out": 5} | 'd_out' is 5 | transcoder
        {"hook_name": ["blocks.5.hook_resid_post", "blocks.6.hook_resid_post"]} | 'hook_name' | a string
        """)
    void saeLensContradictions(String json, String found, String expected) {
        assertThatThrownBy(() -> saeLens(json)).isInstanceOf(InputException.class).hasMessageContainingAll("x/cfg.json", found, expected);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
        any | "hook_point_in": "blocks.3.hook_resid_post", "hook_point_out": "blocks.3.hook_resid_post" | residual 3
        any | "hook_point_in": "blocks.3.hook_resid_post" | residual 3
        any | "hook_point_in": "blocks.3.hook_mlp_out", "hook_point_out": "blocks.3.hook_mlp_out" | elsewhere
        any | "hook_point_in": "blocks.3.hook_attn_out" | elsewhere
        Llama3_1-8B-Base-L12R-8x | `` | residual 12
        Llama3_1-8B-Base-L12M-8x | `` | elsewhere
        Llama3_1-8B-Base-L12A-32x | `` | elsewhere
        Llama3_1-8B-Base-L12R-8x | "hook_point_in": "blocks.3.hook_resid_post" | residual 3
        any | `` | untold
        """)
    void llamaScopeDirectories(String directory, String fields, String place) {
        isAt(llamaScope(directory, fields), place);
    }

    @Test
    void llamaScopeTranscoders() {
        assertThatThrownBy(() -> llamaScope("Llama3_1-8B-Base-L12TC-8x", "")).isInstanceOf(InputException.class)
            .hasMessageContainingAll("x/hyperparams.json", "L12TC", "transcoder");
        assertThatThrownBy(() -> llamaScope("any", "\"hook_point_out\": \"blocks.3.hook_mlp_out\"")).isInstanceOf(InputException.class)
            .hasMessageContainingAll("x/hyperparams.json", "hook_point_in");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        gemma-scope-2b-pt-res/layer_12/width_16k/average_l0_82/params.npz | residual 12
        models--google--gemma-scope-2b-pt-res/snapshots/fd57/layer_12/width_16k/average_l0_82/params.npz | residual 12
        gemma-scope-9b-it-res/layer_20/width_131k/average_l0_81/params.npz | residual 20
        gemma-scope-2b-pt-res-canonical/layer_12/width_16k/canonical/params.npz | residual 12
        res/layer_12/params.npz | residual 12
        gemma-scope-2b-pt-mlp/layer_12/width_16k/average_l0_82/params.npz | elsewhere
        gemma-scope-2b-pt-att/layer_12/width_16k/average_l0_82/params.npz | elsewhere
        mlp/layer_12/width_16k/average_l0_82/params.npz | elsewhere
        gemma-scope-2b-pt-res/embedding/width_4k/average_l0_6/params.npz | elsewhere
        embedding/width_4k/average_l0_6/params.npz | elsewhere
        layer_12/width_16k/average_l0_82/params.npz | untold 12
        layer_17_width_16k_l0_medium/params.npz | untold 17
        gemma-scope-2b-pt-res/mine/params.npz | residual
        demo/sae/params.npz | untold
        layer_3/a/b/c/params.npz | untold
        layer_three/params.npz | untold
        """)
    void gemmaScopePaths(Path path, String place) {
        isAt(GemmaScopePath.read(Path.of("/nowhere").resolve(path)), place);
    }

    @Test
    void gemmaScopeTranscoders() {
        for (String repository : List.of("gemma-scope-2b-pt-transcoders", "transcoders")) {
            Path file = Path.of("/nowhere").resolve(repository).resolve("layer_12/width_16k/average_l0_82/params.npz");
            assertThatThrownBy(() -> GemmaScopePath.read(file)).isInstanceOf(InputException.class)
                .hasMessageContainingAll(file.toString(), "transcoder", "-res");
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        run/layers.12 | residual 12
        run/model.layers.12 | residual 12
        run/layers.12/seed1 | residual 12
        run/layers.12/. | residual 12
        run/layers.12.mlp | elsewhere
        run/layers.12.self_attn | elsewhere
        run/h.3 | elsewhere
        run/embed_tokens | elsewhere
        run/mine | untold
        """)
    void sparsifyDirectories(Path path, String place) {
        isAt(SaeDirectories.hookOf(Path.of("/nowhere").resolve(path)), place);
    }

    private static void refused(String name, int layer, String... parts) {
        SaeHook hook = HookName.parse(name).from("'hook_name' in x/cfg.json");
        assertThatThrownBy(() -> hook.requireLayer(layer, FILE)).isInstanceOf(InputException.class).hasMessageContainingAll(parts)
            .hasMessageContainingAll("sae.safetensors", "'hook_name' in x/cfg.json says " + name);
    }

    @Test
    void aWrongLayerIsNamedAndTheRightOne() {
        refused("blocks.5.hook_resid_post", 2, "after layer 5", "not to the residual stream after layer 2", "use it with layer 5");
        refused("blocks.5.hook_resid_pre", 5, "after layer 4", "after layer 5", "use it with layer 4");
        refused("blocks.0.hook_resid_pre", 0, "the embedding", "after layer 0");
        refused("blocks.5.hook_mlp_out", 5, "another place", "expected blocks.N.hook_resid_post");
        assertThatThrownBy(() -> saeLens("{\"hook_layer\": 5}").requireLayer(2, FILE)).hasMessageContainingAll("layer 5", "layer 2");
    }

    private static String note(SaeHook hook, int layer) {
        hook.requireLayer(layer, FILE);
        return hook.note(layer, FILE).orElse("");
    }

    @Test
    void whatIsNotToldIsSaid() {
        assertThat(note(HookName.parse("blocks.5.hook_resid_post").from("x"), 5)).isEmpty();
        assertThat(note(HookName.parse("blocks.5.hook_resid_pre").from("x"), 4)).contains("blocks.5.hook_resid_pre is the residual stream "
            + "after layer 4");
        assertThat(note(SaeHook.untold(), 3)).contains("does not tell where", "after layer 3, as asked");
        assertThat(note(saeLens("{\"hook_layer\": 5}"), 5)).contains("tells its layer", "hook_layer", "after layer 5, as asked");
        assertThat(note(GemmaScopePath.read(Path.of("/gemma-scope-2b-pt-res/mine/params.npz")), 3)).contains("does not tell its layer",
            "gemma-scope-2b-pt-res", "after layer 3, as asked");
    }
}
