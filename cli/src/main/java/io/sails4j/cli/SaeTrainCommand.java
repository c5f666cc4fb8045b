package io.sails4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.config.ModelConfig;
import io.sails4j.data.DataOptions;
import io.sails4j.files.AtomicFiles;
import io.sails4j.files.FileHash;
import io.sails4j.hub.HubCache;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelOptions;
import io.sails4j.ops.Engine;
import io.sails4j.options.Options;
import io.sails4j.saetrain.ActivationSource;
import io.sails4j.saetrain.ModelActivations;
import io.sails4j.saetrain.PrefixWidths;
import io.sails4j.saetrain.SaeTrainOptions;
import io.sails4j.saetrain.SaeTrainResult;
import io.sails4j.saetrain.SaeTrainRun;
import io.sails4j.saetrain.StoredActivations;
import io.sails4j.saetrain.TextCorpus;
import io.sails4j.train.RunControl;
import io.sails4j.train.RunOrigin;
import io.sails4j.train.StoppedException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(name = "train",
    description = {"Train sparse autoencoders on the residual stream of a model, or on vectors of a file.",
        "Writes a SAELens directory for each layer, with metrics.jsonl and sails_run.json."})
final class SaeTrainCommand implements Callable<Integer> {
    private static final int STOPPED = 1;

    @Mixin
    private CommonOptions common;

    @Option(names = "--model", paramLabel = "DIR|ORG/NAME",
        description = "directory of a Gemma-2 or Llama-3 model, or ORG/NAME in the hub's cache; with --layers and --data")
    private @Nullable Path model;

    @Option(names = "--layers", split = ",", paramLabel = "N",
        description = "layers after which the residual stream is taken, all from one forward pass; with --activations the one that the"
            + " vectors were taken after")
    private List<Integer> layers = new ArrayList<>();

    @Option(names = "--data", paramLabel = "FILE[=COLUMN]",
        description = "preference data, NAME.txt, or a table or JSON lines with a text a row in COLUMN; repeat for more")
    private List<String> data = new ArrayList<>();

    @Option(names = "--activations", paramLabel = "FILE[:TENSOR]",
        description = "vectors [n, d_in] of a safetensors or npz file, in place of a model")
    private @Nullable String activations;

    @Option(names = "--out", required = true, paramLabel = "DIR", description = "directory to write")
    private Path out;

    @Option(names = "--resume", description = "go on from the newest checkpoint in OUT.partial; all other options as in the first run")
    private boolean resume;

    @Spec
    private CommandSpec command;

    @Override
    public Integer call() {
        SaeTrainOptions options = options();
        requireOneSource();
        AtomicFiles.requireFresh(out);
        try {
            return activations != null ? onStored(options, activations) : onModel(options, HubCache.ofSystem().locate(named(model)));
        } catch (StoppedException e) {
            common.message(OptionFlags.inSentence(String.valueOf(e.getMessage())));
            return STOPPED;
        }
    }

    private SaeTrainOptions options() {
        Map<String, Object> given = OptionFlags.given(command, SaeTrainOptions.defaults());
        given.put("seed", common.seed());
        given.computeIfPresent("matryoshka", (_, text) -> PrefixWidths.parse(String.valueOf(text)));
        SaeTrainOptions options = Options.with(SaeTrainOptions.defaults(), given);
        Options.requireUsed(options, given.keySet());
        return options;
    }

    private void requireOneSource() {
        if ((model == null) == (activations == null)) {
            throw common.wrong("expected vectors of one source: either --model DIR with --layers and --data, or --activations FILE");
        }
        if (model != null && (layers.isEmpty() || data.isEmpty())) {
            throw common.wrong("--model needs " + (layers.isEmpty() ? "--layers N, the layers to train on" : "--data FILE, texts to read"));
        }
        if (activations != null && (!data.isEmpty() || layers.size() > 1)) {
            throw common.wrong(data.isEmpty() ? "--activations are of one layer, and --layers names " + layers.size()
                : "--data is read by a --model; --activations are vectors already");
        }
        if (activations != null) {
            String why = "it is about texts that a --model reads; --activations are vectors already: leave it out";
            OptionFlags.requireNone(command, DataOptions.defaults(), Set.of(), why);
            OptionFlags.requireNone(command, List.of("--buffer-tokens", "--first-tokens", "--model-batch-tokens", "--dtype"), why);
        }
    }

    private static Path named(@Nullable Path model) {
        return Objects.requireNonNull(model);
    }

    private int onStored(SaeTrainOptions options, String where) {
        int layer = layers.isEmpty() ? ActivationSource.NO_LAYER : layers.getFirst();
        try (Engine engine = common.openEngine();
             StoredActivations source = StoredActivations.open(where, layer, options.run().seed())) {
            return train(engine, source, options, new RunOrigin(Map.of("activations", source.name(), "activations.sha256",
                FileHash.sha256(source.path())), List.of()), null);
        }
    }

    private int onModel(SaeTrainOptions options, Path directory) {
        DataOptions dataOptions = OptionFlags.values(command, DataOptions.defaults());
        ModelConfig.read(directory);
        TextCorpus corpus = TextCorpus.read(data, directory, dataOptions);
        corpus.notes().forEach(note -> common.message("data: " + note));
        Map<String, String> provenance = new LinkedHashMap<>();
        provenance.put("model.sha256", FileHash.sha256(directory));
        List<Path> files = TextCorpus.paths(data);
        for (int i = 0; i < files.size(); i++) {
            provenance.put("data." + i + ".sha256", FileHash.sha256(files.get(i)));
        }
        try (Engine engine = common.openEngine();
             CausalModel loaded = CausalModel.load(directory, engine, ModelOptions.of(common.dtype()));
             ModelActivations source = new ModelActivations(loaded, corpus.sequences(), layers, options.batching(), options.run().seed())) {
            provenance.put("compute_dtype", loaded.computeDtype().name());
            return train(engine, source, options, new RunOrigin(provenance, List.of(dataOptions)),
                String.valueOf(directory.toAbsolutePath().getFileName()));
        }
    }

    private int train(Engine engine, ActivationSource source, SaeTrainOptions options, RunOrigin origin, @Nullable String name) {
        SaeTrainResult result;
        try (ProgressBar bar = common.progress("sae train"); StopSignal signal = new StopSignal(common::message)) {
            result = new SaeTrainRun(engine, options, origin, name).run(source, out, bar, new RunControl(resume, signal::asked));
        }
        common.print(json(result, engine), table(result, engine, options));
        return 0;
    }

    private ObjectNode json(SaeTrainResult result, Engine engine) {
        ObjectNode json = CommonOptions.object();
        json.put("steps", result.steps()).put("vectors", result.vectors()).put("seconds", result.seconds());
        json.put("vectors_per_s", result.vectors() / result.seconds()).put("peak_device_bytes", engine.device().peakBytes());
        for (SaeTrainResult.Trained trained : result.autoencoders()) {
            ObjectNode of = json.withArray("autoencoders").addObject();
            if (trained.layer() != ActivationSource.NO_LAYER) {
                of.put("layer", trained.layer());
            }
            of.put("l0", trained.last().l0()).put("fvu", trained.last().fvu()).put("loss", trained.last().loss());
            of.put("dead", trained.last().dead()).put("input_scale", trained.inputScale()).put("path", trained.path().toString());
        }
        return json.put("out", out.toString());
    }

    private Table table(SaeTrainResult result, Engine engine, SaeTrainOptions options) {
        Table table = Table.ofPairs();
        for (SaeTrainResult.Trained trained : result.autoencoders()) {
            table.row(trained.layer() == ActivationSource.NO_LAYER ? "autoencoder" : "layer " + trained.layer(),
                String.format(Locale.ROOT, "FVU %.4f, L0 %.1f, %d of %d features dead", trained.last().fvu(), trained.last().l0(),
                    trained.last().dead(), options.shape().width()));
        }
        table.row("steps", result.steps());
        table.row("vectors", String.format(Locale.ROOT, "%,d in %s, %,.0f a second", result.vectors(),
            ProgressBar.duration(result.seconds()), result.vectors() / result.seconds()));
        table.row("peak device memory", String.format(Locale.ROOT, "%,d MiB", engine.device().peakBytes() >> 20));
        return table.row("written", out);
    }
}
