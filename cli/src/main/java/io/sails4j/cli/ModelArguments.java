package io.sails4j.cli;

import io.sails4j.config.ModelConfig;
import io.sails4j.config.ModuleKey;
import io.sails4j.hub.HubCache;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.lora.WeightedAdapter;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.LowRankAdapter;
import io.sails4j.model.ModelOptions;
import io.sails4j.ops.Engine;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The model and the adapters that a command runs. */
final class ModelArguments {
    @Option(names = "--model", required = true, paramLabel = "DIR|ORG/NAME",
        description = "directory of a Gemma-2 or Llama-3 model, or ORG/NAME in the hub's cache")
    private Path model;

    private @Nullable Path located;
    private @Nullable List<WeightedAdapter> locatedAdapters;

    @Option(names = "--adapter", paramLabel = "DIR[=WEIGHT]",
        description = "PEFT LoRA adapter, a directory or ORG/NAME; several are summed, each times its weight (default 1)")
    private List<String> adapters = new ArrayList<>();

    /** The model's directory, which may lie in the hub's cache. */
    Path model() {
        Path found = located;
        if (found == null) {
            found = HubCache.ofSystem().locate(model);
            located = found;
        }
        return found;
    }

    List<WeightedAdapter> adapters() {
        List<WeightedAdapter> found = locatedAdapters;
        if (found == null) {
            HubCache cache = HubCache.ofSystem();
            found = adapters.stream().map(WeightedAdapter::parse)
                .map(asked -> new WeightedAdapter(cache.locate(asked.directory()), asked.weight())).toList();
            locatedAdapters = found;
        }
        return found;
    }

    CausalModel load(Engine engine, CommonOptions options) {
        return load(engine, ModelOptions.of(options.dtype()));
    }

    CausalModel load(Engine engine, ModelOptions options) {
        return CausalModel.load(model(), engine, options);
    }

    /** Opened adapters; closing frees them. */
    record Opened(List<LoraAdapter> adapters, List<WeightedAdapter> asked) implements AutoCloseable {
        AdapterStack stack() {
            List<Map<ModuleKey, LowRankAdapter>> modules = new ArrayList<>();
            for (int i = 0; i < adapters.size(); i++) {
                modules.add(asked.get(i).modules(adapters.get(i)));
            }
            return new AdapterStack(modules);
        }

        @Override
        public void close() {
            adapters.forEach(LoraAdapter::close);
        }
    }

    /** Loads the adapters; what is odd about their files goes to standard error. */
    Opened openAdapters(ModelConfig config, Engine engine, CommonOptions options) {
        List<LoraAdapter> opened = new ArrayList<>();
        try {
            List<WeightedAdapter> asked = adapters();
            for (WeightedAdapter adapter : asked) {
                opened.add(LoraAdapter.load(adapter.directory(), config, engine));
                opened.getLast().notes().forEach(options::message);
            }
            return new Opened(opened, asked);
        } catch (RuntimeException e) {
            opened.forEach(LoraAdapter::close);
            throw e;
        }
    }
}
