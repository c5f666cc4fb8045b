package io.sails4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.data.DataOptions;
import io.sails4j.data.TokenPair;
import io.sails4j.files.AtomicFiles;
import io.sails4j.files.FileHash;
import io.sails4j.hub.HubCache;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelOptions;
import io.sails4j.ops.Engine;
import io.sails4j.subspace.ControlSubspaces;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.subspace.SubspaceOptions;
import io.sails4j.subspace.SubspacePipeline;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(name = "subspace",
    description = "Find the safety subspace: contrastive SAE feature scores, top-k, PCA. Or a control of the same size without an SAE.")
final class SubspaceCommand implements Callable<Integer> {
    /** Where a subspace comes from. */
    enum Identification {
        SAE, DIRECT, RANDOM
    }

    @Mixin
    private CommonOptions common;

    @Option(names = "--model", required = true, paramLabel = "DIR|ORG/NAME",
        description = "directory of a Gemma-2 or Llama-3 model, or ORG/NAME in the hub's cache")
    private Path model;

    @Option(names = "--identify", defaultValue = "sae", paramLabel = "WAY",
        description = "sae (default): features of SAEs; direct: principal components of the pairs' raw activation differences; random:"
            + " directions by chance from --seed")
    private Identification identify;

    @Option(names = "--sae", paramLabel = "LAYER=PATH",
        description = "SAE on the residual stream after a layer; repeat for more layers")
    private List<String> saes = List.of();

    @Option(names = "--like", paramLabel = "FILE",
        description = "for direct and random: the subspace whose layers and dimensions the control gets")
    private @Nullable Path like;

    @Mixin
    private DataArguments data;

    @Spec
    private CommandSpec command;

    @Option(names = "--out", required = true, paramLabel = "FILE", description = "subspace file (safetensors) to write")
    private Path out;

    @Override
    public Integer call() {
        AtomicFiles.requireWritableFile(out);
        SubspaceOptions options = OptionFlags.values(command, SubspaceOptions.defaults());
        model = HubCache.ofSystem().locate(model);
        SafetySubspace subspace = identify == Identification.SAE ? ofFeatures(options) : control(options);
        subspace.write(out);
        common.print(json(subspace), table(subspace).row("written", out));
        return 0;
    }

    private SafetySubspace ofFeatures(SubspaceOptions options) {
        if (like != null) {
            throw new InputException("--like is for --identify direct and random: a subspace of features has the size that they give it");
        }
        if (saes.isEmpty()) {
            throw new InputException("--sae is missing: name at least one SAE as LAYER=PATH");
        }
        data.requirePositions(ModelConfig.read(model));
        SortedMap<Integer, Path> paths = SaeArguments.parse(saes, common);
        // SAEs come first: one of another layer is told before gigabytes of weights are read.
        try (Engine engine = common.openEngine(); SaeArguments.Opened opened = SaeArguments.open(paths, engine);
             CausalModel loaded = CausalModel.load(model, engine, ModelOptions.of(common.dtype()))) {
            return build(loaded, opened, options);
        }
    }

    /** A subspace of the size of another one, found without an SAE. */
    private SafetySubspace control(SubspaceOptions options) {
        String way = identify.name().toLowerCase(Locale.ROOT);
        if (!saes.isEmpty()) {
            throw new InputException("--identify " + way + " takes no --sae: it finds a subspace without one");
        }
        OptionFlags.requireNone(command, SubspaceOptions.defaults(),
            identify == Identification.DIRECT ? Set.of("feature_batch_tokens") : Set.of(),
            "--identify " + way + " takes its size from --like and no features: leave it out");
        if (identify == Identification.RANDOM) {
            OptionFlags.requireNone(command, DataOptions.defaults(), Set.of(), "--identify random looks at no data: leave it out");
        }
        if (like == null) {
            throw new InputException("--like is missing: name the subspace whose layers and dimensions --identify " + way + " takes");
        }
        ModelConfig config = ModelConfig.read(model);
        SafetySubspace pattern = SafetySubspace.read(like);
        pattern.requireModel(config, like, model);
        SortedMap<Integer, Integer> dimensions = new TreeMap<>();
        pattern.layers().forEach((layer, of) -> dimensions.put(layer, of.dimension()));
        Map<String, String> provenance = new LinkedHashMap<>(Map.of("like.sha256", FileHash.sha256(like)));
        provenance.put("model.sha256", FileHash.sha256(model));
        if (identify == Identification.RANDOM) {
            if (data.given()) {
                throw new InputException("--identify random takes no --data: it looks at none");
            }
            return ControlSubspaces.random(Math.toIntExact(config.dModel()), config.nLayers(), dimensions, common.seed(), provenance);
        }
        data.requirePositions(config);
        provenance.putAll(dataProvenance(data));
        try (Engine engine = common.openEngine(); CausalModel loaded = CausalModel.load(model, engine, ModelOptions.of(common.dtype()));
             ProgressBar bar = common.progress("activations")) {
            return ControlSubspaces.direct(loaded, dimensions, data.load(model, common), options.featureBatchTokens(), provenance, bar);
        }
    }

    private static Map<String, String> dataProvenance(DataArguments data) {
        Map<String, String> provenance = new LinkedHashMap<>();
        provenance.put("data.sha256", FileHash.sha256(data.path()));
        provenance.put("max_length", String.valueOf(data.options().maxLength()));
        provenance.put("limit", String.valueOf(data.options().limit()));
        return provenance;
    }

    private SafetySubspace build(CausalModel loaded, SaeArguments.Opened opened, SubspaceOptions options) {
        List<TokenPair> pairs = data.load(model, common);
        try (ProgressBar bar = common.progress("features")) {
            return new SubspacePipeline(loaded, model, opened.saes(), options).build(pairs, provenance(model, data, opened), bar);
        }
    }

    /** What the subspace was made from, by content: the same inputs give the same file. */
    static Map<String, String> provenance(Path model, DataArguments data, SaeArguments.Opened opened) {
        Map<String, String> provenance = new LinkedHashMap<>();
        provenance.put("model.sha256", FileHash.sha256(model));
        provenance.putAll(dataProvenance(data));
        opened.describe(provenance);
        return provenance;
    }

    private static ObjectNode json(SafetySubspace subspace) {
        ObjectNode json = CommonOptions.object();
        subspace.layers().forEach((n, layer) -> {
            ObjectNode entry = json.withObject("/layers").putObject(String.valueOf(n));
            entry.put("features", layer.featureIds().length).put("dimension", layer.dimension());
            Arrays.stream(layer.featureIds()).forEach(entry.withArray("feature_ids")::add);
        });
        return json;
    }

    static Table table(SafetySubspace subspace) {
        Table table = Table.withHeader("layer", "features", "dimension", "largest score", "smallest score", "first features");
        subspace.layers().forEach((n, layer) -> table.row(n, layer.featureIds().length, layer.dimension(),
            score(layer, 0), score(layer, layer.scores().length - 1),
            Arrays.toString(Arrays.copyOf(layer.featureIds(), Math.min(6, layer.featureIds().length)))));
        return table;
    }

    /** Of a control there are none. */
    private static String score(SafetySubspace.Layer layer, int at) {
        return layer.scores().length == 0 ? "-" : String.format(Locale.ROOT, "%.4g", layer.scores()[at]);
    }
}
