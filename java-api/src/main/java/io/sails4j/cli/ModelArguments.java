package io.sails4j.cli;

import io.sails4j.lora.LoraAdapter;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.LowRankAdapter;
import io.sails4j.model.ModelConfig;
import io.sails4j.model.ModelOptions;
import io.sails4j.model.ModuleKey;
import io.sails4j.ops.Engine;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Option;

/** The model and the adapters that a command runs. */
final class ModelArguments {
    @Option(names = "--model", required = true, paramLabel = "DIR", description = "Hugging Face directory of a Gemma-2 or Llama-3 model")
    private Path model;

    @Option(names = "--adapter", paramLabel = "DIR", description = "PEFT LoRA adapter; several are summed")
    private List<Path> adapters = new ArrayList<>();

    Path model() {
        return model;
    }

    List<Path> adapters() {
        return adapters;
    }

    CausalModel load(Engine engine, CommonOptions options) {
        return CausalModel.load(model, engine, ModelOptions.of(options.dtype()));
    }

    /** Opened adapters; closing frees them. */
    record Opened(List<LoraAdapter> adapters) implements AutoCloseable {
        AdapterStack stack() {
            List<Map<ModuleKey, LowRankAdapter>> modules = new ArrayList<>();
            adapters.forEach(a -> modules.add(a.modules()));
            return new AdapterStack(modules);
        }

        @Override
        public void close() {
            adapters.forEach(LoraAdapter::close);
        }
    }

    Opened openAdapters(ModelConfig config, Engine engine) {
        List<LoraAdapter> opened = new ArrayList<>();
        try {
            for (Path directory : adapters) {
                opened.add(LoraAdapter.load(directory, config, engine));
            }
            return new Opened(opened);
        } catch (RuntimeException e) {
            opened.forEach(LoraAdapter::close);
            throw e;
        }
    }
}
