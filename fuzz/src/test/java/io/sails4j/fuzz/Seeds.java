package io.sails4j.fuzz;

import io.sails4j.config.Projection;
import io.sails4j.io.NpzWriter;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.lora.LoraConfig;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.tensor.HostTensor;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;

/** Right inputs to begin from. */
final class Seeds {
    private Seeds() {
    }

    static List<byte[]> of(Parsers parser) throws IOException {
        return switch (parser) {
            case SAFETENSORS -> List.of(safetensors(Map.of("a", new long[] {2, 3}, "b", new long[] {0})));
            case SAFETENSORS_HEADER ->
                texts("{\"a\":{\"dtype\":\"F32\",\"shape\":[2,4],\"data_offsets\":[0,32]},\"__metadata__\":{\"k\":\"v\"},"
                    + "\"b\":{\"dtype\":\"BF16\",\"shape\":[16],\"data_offsets\":[32,64]}}");
            case SHARD_INDEX -> texts("{\"metadata\":{\"total_size\":8},\"weight_map\":{\"a\":\"a.safetensors\"}}");
            case NPZ -> List.of(npz(Map.of("a", new long[] {2, 2})));
            case GEMMA_SCOPE -> List.of(npz(Map.of("W_enc", new long[] {2, 3}, "W_dec", new long[] {3, 2}, "b_enc", new long[] {3}, "b_dec",
                new long[] {2}, "threshold", new long[] {3})));
            case MODEL_CONFIG -> texts(
                "{\"model_type\":\"gemma2\",\"vocab_size\":64,\"hidden_size\":16,\"num_hidden_layers\":2,\"num_attention_heads\":2,"
                    + "\"num_key_value_heads\":1,\"head_dim\":8,\"intermediate_size\":24,\"sliding_window\":8,\"query_pre_attn_scalar\":8,"
                    + "\"attn_logit_softcapping\":50.0,\"final_logit_softcapping\":30.0,\"rms_norm_eps\":1e-06,\"rope_theta\":10000.0,"
                    + "\"max_position_embeddings\":128,\"torch_dtype\":\"bfloat16\",\"eos_token_id\":[1,2],\"hidden_activation\":"
                    + "\"gelu_pytorch_tanh\"}",
                "{\"model_type\":\"llama\",\"vocab_size\":64,\"hidden_size\":16,\"num_hidden_layers\":2,\"num_attention_heads\":2,"
                    + "\"num_key_value_heads\":1,\"intermediate_size\":24,\"rms_norm_eps\":1e-05,\"rope_theta\":500000.0,"
                    + "\"rope_scaling\":{\"factor\":32.0,\"high_freq_factor\":4.0,\"low_freq_factor\":1.0,"
                    + "\"original_max_position_embeddings\":8192,\"rope_type\":\"llama3\"},\"max_position_embeddings\":128,"
                    + "\"tie_word_embeddings\":true,\"hidden_act\":\"silu\",\"eos_token_id\":null}");
            case ADAPTER_CONFIG -> List.of(adapter("adapter_config.json"));
            case ADAPTER_WEIGHTS -> List.of(adapter("adapter_model.safetensors"));
            case SAE_LENS -> texts("{\"d_in\":4,\"d_sae\":6,\"architecture\":\"jumprelu\",\"dtype\":\"float32\",\"hook_name\":"
                + "\"blocks.1.hook_resid_post\",\"hook_layer\":1,\"apply_b_dec_to_input\":false,\"normalize_activations\":\"none\","
                + "\"metadata\":{\"hook_name\":\"blocks.1.hook_resid_post\"}}",
                "{\"d_in\":4,\"d_sae\":6,\"activation_fn_str\":\"topk\",\"activation_fn_kwargs\":{\"k\":2},\"hook_point\":"
                    + "\"blocks.1.hook_resid_pre\",\"hook_point_layer\":1}");
            case LLAMA_SCOPE -> texts("{\"d_model\":4,\"d_sae\":6,\"act_fn\":\"jumprelu\",\"jump_relu_threshold\":0.5,\"hook_point_in\":"
                + "\"blocks.1.hook_resid_post\",\"hook_point_out\":\"blocks.1.hook_resid_post\",\"norm_activation\":\"dataset-wise\","
                + "\"dataset_average_activation_norm\":{\"in\":2.5,\"out\":2.5},\"sparsity_include_decoder_norm\":true,"
                + "\"use_decoder_bias\":true,\"expansion_factor\":2}");
            case SPARSIFY ->
                texts("{\"d_in\":4,\"num_latents\":6,\"k\":2,\"activation\":\"topk\",\"expansion_factor\":2,\"normalize_decoder\":"
                    + "true,\"multi_topk\":false,\"skip_connection\":false,\"transcode\":false}");
            case CHAT_TEMPLATE -> texts(
                "{{- bos_token }}{%- for m in messages %}{%- if m.role == 'system' and not loop.first %}{{ raise_exception('x') }}"
                    + "{% endif %}\n"
                    + "  {%- set c = m['content'] | trim %}\n"
                    + "{{ '<' + m.role + '>\\n' + c[1:] ~ ('a' if loop.last else 'b') }}{% endfor %}\n"
                    + "{#- c -#}{% macro f(x, y=1) %}{{ x.strip('a').split(',')|join('-') }}{% endmacro %}{{ f('a,b') }}{% set ns ="
                    + " namespace(n=0) %}{% for i in range(3) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n // 2 }}{{ [1]|tojson }}");
            case TOKENIZER -> resources("tokenizer", "gemma.json", "llama3.json");
            case CONVERSATION -> texts("[{\"role\":\"user\",\"content\":\"a\"}]", "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}");
            case JUDGE_CACHE ->
                texts("{\"key\":\"0a\",\"content\":\"{}\",\"refusal\":null,\"finish_reason\":\"stop\"}\n{\"key\":\"0b\",\"con");
            case JUDGE_REPLY -> texts("```json\n{\"reason\": \"x\", \"score\": 4}\n```", "#thereason: it is. #thescore: 4/5",
                "<think>1</think> **Score (1-5):** 4 out of 5");
            case PREFERENCES -> texts(
                "{\"chosen\":\"\\n\\nHuman: a\\n\\nAssistant: b\",\"rejected\":\"\\n\\nHuman: a\\n\\nAssistant: c\"}\n",
                "{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\"}\n",
                "[{\"prompt\":\"a\",\"chosen\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}],"
                    + "\"rejected\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"c\"}]}]",
                "{\"system\":\"s\",\"question\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\"}\n",
                "{\"prompt\":\"a\",\"response_0\":\"b\",\"response_1\":\"c\",\"safer_response_id\":1,\"is_response_0_safe\":false,"
                    + "\"is_response_1_safe\":true}\n",
                "{\"conversations\":[{\"from\":\"human\",\"value\":\"a\"}],\"chosen\":{\"from\":\"gpt\",\"value\":\"b\"},\"rejected\":"
                    + "{\"from\":\"gpt\",\"value\":\"c\"}}\n");
            case ROWS, PROMPTS, LABELS, DOCUMENTS, CHOICES, ROWS_PARQUET, GENERATION_CONFIG, JUDGE_SERVER, JOURNAL, REPORT_EVALUATION,
                REPORT_COMPLETIONS, REPORT_ATTACK, REPORT_TRAINING, REPORT_METRICS, REPORT_EXPLANATION -> MoreSeeds.of(parser);
            case TOKEN_PAIRS -> List.of(ints("aligned.input_ids", "aligned.attention_mask", "aligned.token_mask", "unaligned.input_ids",
                "unaligned.attention_mask", "unaligned.token_mask"));
            case BATCH -> List.of(ints("input_ids", "attention_mask", "labels", "position_ids"));
            case SUBSPACE -> {
                SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
                tensors.put("layer.1.basis", HostTensor.ofFloats(new float[] {1, 0}, 2, 1));
                tensors.put("layer.1.feature_ids", HostTensor.ofInts(new int[] {3}, 1));
                tensors.put("layer.1.scores", HostTensor.ofFloats(new float[] {0.5f}, 1));
                yield List.of(written(tensors));
            }
            case CHECKPOINT -> texts("{\"step\":1,\"fingerprint\":{}}");
        };
    }

    private static List<byte[]> resources(String directory, String... names) throws IOException {
        List<byte[]> seeds = new ArrayList<>();
        for (String name : names) {
            try (InputStream in = Objects.requireNonNull(Seeds.class.getResourceAsStream("/seeds/" + directory + "/" + name), name)) {
                seeds.add(in.readAllBytes());
            }
        }
        return seeds;
    }

    static List<byte[]> texts(String... texts) {
        return Arrays.stream(texts).map(text -> text.getBytes(StandardCharsets.UTF_8)).toList();
    }

    private static byte[] safetensors(Map<String, long[]> shapes) throws IOException {
        SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
        shapes
            .forEach((name, dims) -> tensors.put(name, HostTensor.ofFloats(new float[(int) Arrays.stream(dims).reduce(1, (a, b) -> a * b)],
                dims)));
        return written(tensors);
    }

    private static byte[] ints(String... names) throws IOException {
        SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
        for (String name : names) {
            tensors.put(name, HostTensor.ofInts(new int[] {1, 1, 1, 1}, 1, 4));
        }
        return written(tensors);
    }

    private static byte[] written(SequencedMap<String, HostTensor> tensors) throws IOException {
        Path file = Files.createTempFile("seed-", ".safetensors");
        SafetensorsWriter.write(file, tensors, Map.of("k", "v"));
        byte[] bytes = Files.readAllBytes(file);
        Files.delete(file);
        return bytes;
    }

    private static byte[] npz(Map<String, long[]> shapes) throws IOException {
        Path file = Files.createTempFile("seed-", ".npz");
        SequencedMap<String, HostTensor> arrays = new LinkedHashMap<>();
        shapes.forEach((name, dims) -> {
            float[] values = new float[(int) Arrays.stream(dims).reduce(1, (a, b) -> a * b)];
            Arrays.fill(values, 0.5f);
            arrays.put(name, HostTensor.ofFloats(values, dims));
        });
        NpzWriter.write(file, arrays);
        byte[] bytes = Files.readAllBytes(file);
        Files.delete(file);
        return bytes;
    }

    private static byte[] adapter(String name) throws IOException {
        Path directory = Files.createTempDirectory("seed-");
        try (Engine engine = Engine.open(new EngineOptions("cpu", 1, ""));
             LoraAdapter adapter = LoraAdapter.create(LoraConfig.uniform(Parsers.MODEL, EnumSet.of(Projection.Q_PROJ), 2, 2, "m"),
                 Parsers.MODEL, engine.device())) {
            adapter.writeInto(directory);
        }
        return Files.readAllBytes(directory.resolve(name));
    }
}
