package io.sails4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.config.ModelConfig;
import io.sails4j.data.TokenPair;
import io.sails4j.files.AtomicFiles;
import io.sails4j.files.FileHash;
import io.sails4j.hub.HubCache;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelOptions;
import io.sails4j.ops.Engine;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.subspace.SubspaceOptions;
import io.sails4j.subspace.SubspacePipeline;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SortedMap;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(name = "subspace", description = "Find the safety subspace: contrastive SAE feature scores, top-k, PCA.")
final class SubspaceCommand implements Callable<Integer> {
    @Mixin
    private CommonOptions common;

    @Option(names = "--model", required = true, paramLabel = "DIR|ORG/NAME",
        description = "directory of a Gemma-2 or Llama-3 model, or ORG/NAME in the hub's cache")
    private Path model;

    @Option(names = "--sae", required = true, paramLabel = "LAYER=PATH",
        description = "SAE on the residual stream after a layer; repeat for more layers")
    private List<String> saes = List.of();

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
        data.requirePositions(ModelConfig.read(model));
        SortedMap<Integer, Path> paths = SaeArguments.parse(saes, common);
        // SAEs come first: one of another layer is told before gigabytes of weights are read.
        try (Engine engine = common.openEngine(); SaeArguments.Opened opened = SaeArguments.open(paths, engine);
             CausalModel loaded = CausalModel.load(model, engine, ModelOptions.of(common.dtype()))) {
            SafetySubspace subspace = build(loaded, opened, options);
            subspace.write(out);
            common.print(json(subspace), table(subspace).row("written", out));
        }
        return 0;
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
        provenance.put("data.sha256", FileHash.sha256(data.path()));
        provenance.put("max_length", String.valueOf(data.options().maxLength()));
        provenance.put("limit", String.valueOf(data.options().limit()));
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
            String.format(Locale.ROOT, "%.4g", layer.scores()[0]),
            String.format(Locale.ROOT, "%.4g", layer.scores()[layer.scores().length - 1]),
            Arrays.toString(Arrays.copyOf(layer.featureIds(), Math.min(6, layer.featureIds().length)))));
        return table;
    }
}
