package io.sails4j.cli;

import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.data.ChatTemplate;
import io.sails4j.data.Message;
import io.sails4j.data.Tokenizer;
import io.sails4j.explain.AdapterFile;
import io.sails4j.explain.Corpus;
import io.sails4j.explain.ExplainOptions;
import io.sails4j.explain.Explainer;
import io.sails4j.explain.Explanation;
import io.sails4j.explain.ScannedCorpus;
import io.sails4j.explain.Source;
import io.sails4j.explain.SubspaceFile;
import io.sails4j.files.AtomicFiles;
import io.sails4j.hub.HubCache;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelOptions;
import io.sails4j.ops.Engine;
import io.sails4j.report.Reports;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.SortedMap;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(name = "explain", description = {"Say what the features of a subspace mean, what an adapter changes, or what fires on a prompt.",
    "Writes explain.json, and with data features.safetensors with the statistics of all features."})
final class ExplainCommand implements Callable<Integer> {
    private static final String STATISTICS = "features.safetensors";
    private static final String ADAPTED = "features-adapted.safetensors";

    @Mixin
    private CommonOptions common;

    @Option(names = "--model", required = true, paramLabel = "DIR|ORG/NAME",
        description = "directory of a Gemma-2 or Llama-3 model, or ORG/NAME in the hub's cache")
    private Path model;

    @Mixin
    private ExplainArguments arguments;

    @Option(names = "--sae", paramLabel = "LAYER=PATH",
        description = "SAE on the residual stream after a layer; repeat for more layers")
    private List<String> saes = new ArrayList<>();

    @Mixin
    private DataArguments data;

    @Option(names = "--out", required = true, paramLabel = "DIR", description = "directory to write, with explain.json and report.html")
    private Path out;

    @Spec
    private CommandSpec command;

    /** Everything that an explanation is made with, open. */
    private record Opened(CausalModel model, Explainer explainer, @Nullable AdapterFile adapter, @Nullable SubspaceFile subspace,
        @Nullable SubspaceFile other) {
    }

    /** An explanation and the statistics behind it. */
    private record Found(Explanation explanation, @Nullable ScannedCorpus before, @Nullable ScannedCorpus after) {
    }

    @Override
    public Integer call() {
        ExplainOptions options = OptionFlags.values(command, ExplainOptions.defaults());
        ExplainArguments.Kind kind = arguments.kind(data.given(), !saes.isEmpty());
        requireUsed();
        AtomicFiles.requireFresh(out);
        model = HubCache.ofSystem().locate(model);
        ModelConfig config = ModelConfig.read(model);
        data.requirePositions(config);
        SortedMap<Integer, Path> paths = SaeArguments.parse(saes, common);
        SubspaceFile subspace = arguments.subspace() == null ? null : SubspaceFile.read(arguments.subspace());
        SubspaceFile other = arguments.other() == null ? null : SubspaceFile.read(arguments.other());
        // Small files come first: what is wrong with them is told before gigabytes of weights are read.
        try (Engine engine = common.openEngine(); SaeArguments.Opened opened = SaeArguments.open(paths, engine);
             @Nullable
             LoraAdapter adapter = openAdapter(config, engine); @Nullable
             Tokenizer tokenizer = openTokenizer(kind);
             CausalModel loaded = CausalModel.load(model, engine, ModelOptions.of(common.dtype()))) {
            Opened all = new Opened(loaded, new Explainer(loaded, model, tokenizer, opened.saes(), options), adapter == null ? null
                : new AdapterFile(Source.of(located(Objects.requireNonNull(arguments.adapter()))), adapter), subspace, other);
            Found found = switch (kind) {
                case SUBSPACE -> subspace(all);
                case ADAPTER -> adapter(all);
                case PROMPT -> new Found(all.explainer.prompt(ids(tokenizer), all.adapter, subspace), null, null);
            };
            write(found);
            Path page = Reports.writeInto(out);
            common.printText(common.json() ? found.explanation.json() + "\n"
                : new ExplainTables(options).render(found.explanation) + "\nreport   " + page + "\n");
        }
        return 0;
    }

    private void requireUsed() {
        String reads = "it is about features on data, and no --data is read here: leave it out, or add --data FILE";
        if (!data.given()) {
            OptionFlags.requireNone(command, List.of("--passages", "--context", "--feature-batch-tokens", "--max-length", "--limit"),
                reads);
            if (arguments.chat() == null) {
                OptionFlags.requireNone(command, List.of("--template"), reads);
            }
        }
    }

    private static Path located(Path adapter) {
        return HubCache.ofSystem().locate(adapter);
    }

    private @Nullable LoraAdapter openAdapter(ModelConfig config, Engine engine) {
        if (arguments.adapter() == null) {
            return null;
        }
        LoraAdapter adapter = LoraAdapter.load(located(arguments.adapter()), config, engine);
        adapter.notes().forEach(common::message);
        return adapter;
    }

    private @Nullable Tokenizer openTokenizer(ExplainArguments.Kind kind) {
        if (Files.exists(model.resolve("tokenizer.json"))) {
            return Tokenizer.load(model);
        }
        if (kind != ExplainArguments.Kind.ADAPTER) {
            common.message(model + " has no tokenizer.json: tokens are shown by their ids");
        }
        return null;
    }

    private Found subspace(Opened all) {
        SubspaceFile subspace = Objects.requireNonNull(all.subspace);
        all.explainer.requireFits(subspace, all.other);
        ScannedCorpus scanned = data.given() ? scan(all, AdapterStack.none(), corpus(), "features") : null;
        try (ProgressBar bar = common.progress("passages")) {
            Found found = new Found(all.explainer.subspace(subspace, all.other, scanned, bar), scanned, null);
            if (scanned == null) {
                common.message("no --data: nothing is said about when the features fire");
            }
            return found;
        }
    }

    private Found adapter(Opened all) {
        AdapterFile adapter = Objects.requireNonNull(all.adapter);
        if (!data.given()) {
            return new Found(all.explainer.adapter(adapter, all.subspace, null, null), null, null);
        }
        Corpus corpus = corpus();
        ScannedCorpus before = scan(all, AdapterStack.none(), corpus, "features");
        ScannedCorpus after = scan(all, AdapterStack.of(adapter.adapter().modules()), corpus, "features, adapted");
        return new Found(all.explainer.adapter(adapter, all.subspace, before, after), before, after);
    }

    private Corpus corpus() {
        return new Corpus(Source.of(data.path()), data.load(model, common));
    }

    private ScannedCorpus scan(Opened all, AdapterStack adapters, Corpus corpus, String label) {
        try (ProgressBar bar = common.progress(label)) {
            return all.explainer.scan(corpus, adapters, bar);
        }
    }

    private int[] ids(@Nullable Tokenizer tokenizer) {
        if (tokenizer == null) {
            throw new InputException(model + " has no tokenizer.json, which a prompt needs; expected it beside the weights");
        }
        String chat = arguments.chat();
        if (chat == null) {
            return tokenizer.encodeWithBos(Objects.requireNonNull(arguments.prompt()));
        }
        return new ChatTemplate(tokenizer, data.options().template()).prompt(List.of(new Message("user", chat)));
    }

    private void write(Found found) {
        AtomicFiles.writeDirectory(out, directory -> {
            found.explanation.writeInto(directory);
            if (found.before != null) {
                found.before.write(directory.resolve(STATISTICS));
            }
            if (found.after != null) {
                found.after.write(directory.resolve(ADAPTED));
            }
        });
    }
}
