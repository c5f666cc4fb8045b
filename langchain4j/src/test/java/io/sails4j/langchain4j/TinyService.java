package io.sails4j.langchain4j;

import io.sails4j.config.ModelConfig;
import io.sails4j.config.Projection;
import io.sails4j.data.Message;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelWeights;
import io.sails4j.monitor.Monitor;
import io.sails4j.monitor.MonitorSpec;
import io.sails4j.monitor.Rule;
import io.sails4j.ops.Engine;
import io.sails4j.sae.Sae;
import io.sails4j.sae.SaeFixture;
import io.sails4j.serving.SchedulerOptions;
import io.sails4j.serving.TextRequest;
import io.sails4j.serving.TextService;
import io.sails4j.tensor.DType;
import io.sails4j.testing.Backends;
import io.sails4j.testing.TinyModel;
import io.sails4j.testing.TinyTokenizer;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/** A Gemma of two small layers from nothing, and services of it: {@code tiny}, and {@code tuned} with an adapter. */
final class TinyService implements AutoCloseable {
    private final Path directory;
    private final Engine engine;
    private final CausalModel model;
    private final LoraAdapter adapter;

    TinyService(Path directory) {
        this.directory = directory;
        int size = TinyTokenizer.write(directory, "abcdefghijklmnopqrstuvwxyzI.?▁", "th", "he", "▁a", "▁I");
        ModelConfig config = ModelConfig.gemma2().vocabSize(size).dModel(24).layers(2).heads(2, 1).headDim(8).dFf(40).slidingWindow(6)
            .maxPositionEmbeddings(512).checkpointDtype(DType.F32).build();
        engine = Backends.open("cpu", 1);
        model = new CausalModel(engine, ModelWeights.random(config, engine, DType.F32, 11), false);
        adapter = TinyModel.randomAdapter(engine, 3, config, EnumSet.allOf(Projection.class));
    }

    /** @param sequences answered at a time; as many may wait */
    TextService open(int sequences) {
        return open(sequences, null);
    }

    /** A random SAE of the residual stream after the second layer. */
    Sae sae() {
        return Sae.load(SaeFixture.jumprelu(24, 64).saeLens(directory.resolve("sae")), engine);
    }

    Monitor monitor(Sae sae, Rule rule) {
        return Monitor.open(model, Map.of(1, sae), MonitorSpec.of(List.of(rule), Map.of(1, sae)));
    }

    TextService open(int sequences, @Nullable Monitor monitor) {
        SequencedMap<String, AdapterStack> names = new LinkedHashMap<>();
        names.put("tiny", AdapterStack.none());
        names.put("tuned", AdapterStack.of(adapter.modules()));
        return TextService.open(model, directory, names, "gemma2", new SchedulerOptions(sequences, 512, 4, 32, sequences), monitor);
    }

    /** What a service itself answers, greedily. */
    static String answer(TextService service, String model, int tokens, String user) throws InterruptedException {
        return service.submit(TextRequest.chat(List.of(new Message("user", user))).with(r -> {
            r.model = model;
            r.limits = new TextRequest.Limits(tokens, List.of(), null);
        })).text();
    }

    @Override
    public void close() {
        adapter.close();
        model.close();
        engine.close();
    }
}
