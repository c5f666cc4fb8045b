package io.sails4j.parity;

import static org.assertj.core.api.Assertions.assertThat;

import io.sails4j.config.ModuleKey;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.lora.LoraMerge;
import io.sails4j.lora.WeightedAdapter;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.LowRankAdapter;
import io.sails4j.model.ModelOptions;
import io.sails4j.model.TokenBatch;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.testing.Backends;
import io.sails4j.trace.BatchFile;
import io.sails4j.trace.Trace;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Adapters that PEFT wrote, and what transformers and PEFT compute with them (src/test/resources/peft/README.md). */
class PeftParityTest {
    private static final double LIMIT = 1e-5;

    @TempDir
    private Path temporary;

    private static Path folder() throws URISyntaxException {
        return Path.of(Objects.requireNonNull(PeftParityTest.class.getResource("/peft")).toURI());
    }

    /** Expected tensor, its model and adapters. */
    private static SequencedMap<String, List<String>> cases() {
        SequencedMap<String, List<String>> cases = new LinkedHashMap<>();
        cases.put("gemma2", List.of("gemma2"));
        cases.put("llama3", List.of("llama3"));
        for (String adapter : List.of("rslora-patterns", "dora", "regex-targets")) {
            cases.put(adapter, List.of("gemma2", adapter));
        }
        for (String adapter : List.of("chosen-layers", "all-linear-orthogonal", "pissa")) {
            cases.put(adapter, List.of("llama3", adapter));
        }
        cases.put("weighted", List.of("llama3", "all-linear-orthogonal=0.7", "chosen-layers=-0.4"));
        return cases;
    }

    private static List<WeightedAdapter> adapters(List<String> models) throws URISyntaxException {
        Path folder = folder();
        return models.subList(1, models.size()).stream().map(text -> WeightedAdapter.parse(folder.resolve(text).toString())).toList();
    }

    @ParameterizedTest
    @MethodSource("io.sails4j.parity.ParityTests#backends")
    void logits(String backend) throws URISyntaxException {
        TokenBatch batch = BatchFile.read(folder().resolve("batch.safetensors"));
        ParityTable table = new ParityTable("adapters written by PEFT, " + backend);
        try (Engine engine = Backends.open(backend);
             SafetensorsFile expected = SafetensorsFile.open(folder().resolve("expected.safetensors"))) {
            for (Map.Entry<String, List<String>> one : cases().entrySet()) {
                try (CausalModel model = CausalModel.load(folder().resolve(one.getValue().getFirst()), engine,
                    ModelOptions.of(DType.F32))) {
                    float[] actual = logits(model, adapters(one.getValue()), batch, engine);
                    table.compare(one.getKey(), "logits", actual, expected.tensor(one.getKey()), null, LIMIT);
                }
            }
        }
        ParityTests.finish(table);
    }

    private static float[] logits(CausalModel model, List<WeightedAdapter> asked, TokenBatch batch, Engine engine) {
        List<LoraAdapter> opened = new ArrayList<>();
        try {
            List<Map<ModuleKey, LowRankAdapter>> modules = new ArrayList<>();
            for (WeightedAdapter adapter : asked) {
                opened.add(LoraAdapter.load(adapter.directory(), model.config(), engine));
                assertThat(opened.getLast().notes()).isEmpty();
                modules.add(adapter.modules(opened.getLast()));
            }
            return Objects.requireNonNull(Trace.run(model, new AdapterStack(modules), batch, Trace.Gradients.NONE).get("logits"))
                .toFloatArray();
        } finally {
            opened.forEach(LoraAdapter::close);
        }
    }

    /** Merged here, the logits are those of the adapter beside the model, and the weights those that PEFT merges. */
    @ParameterizedTest
    @MethodSource("io.sails4j.parity.ParityTests#backends")
    void merged(String backend) throws URISyntaxException {
        TokenBatch batch = BatchFile.read(folder().resolve("batch.safetensors"));
        ParityTable table = new ParityTable("adapters written by PEFT, merged, " + backend);
        try (Engine engine = Backends.open(backend);
             SafetensorsFile expected = SafetensorsFile.open(folder().resolve("expected.safetensors"))) {
            for (Map.Entry<String, List<String>> one : cases().sequencedEntrySet().stream().skip(2).toList()) {
                Path target = temporary.resolve(backend + one.getKey());
                LoraMerge.merge(folder().resolve(one.getValue().getFirst()), adapters(one.getValue()), target, engine);
                try (CausalModel model = CausalModel.load(target, engine, ModelOptions.of(DType.F32))) {
                    table.compare(one.getKey(), "logits", logits(model, List.of(), batch, engine), expected.tensor(one.getKey()), null,
                        LIMIT);
                    for (String tensor : expected.names()) {
                        if (tensor.startsWith(one.getKey() + ".merged.")) {
                            float[] weight = model.weights().parameter(tensor.substring(tensor.indexOf("model."))).toFloatArray();
                            table.compare(one.getKey(), tensor, weight, expected.tensor(tensor), null, 1e-6);
                        }
                    }
                }
            }
        }
        ParityTests.finish(table);
    }
}
