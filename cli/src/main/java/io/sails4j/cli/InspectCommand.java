package io.sails4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.config.Projection;
import io.sails4j.data.DataOptions;
import io.sails4j.data.PairTokenizer;
import io.sails4j.data.PreferenceReader;
import io.sails4j.data.PreferenceSet;
import io.sails4j.data.TokenPair;
import io.sails4j.data.TokenText;
import io.sails4j.data.Tokenizer;
import io.sails4j.files.ForeignFile;
import io.sails4j.files.JsonFiles;
import io.sails4j.files.JsonObject;
import io.sails4j.hub.HubCache;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.io.ShardedTensors;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.lora.LoraConfig;
import io.sails4j.model.ModelWeights;
import io.sails4j.model.TrainedShape;
import io.sails4j.ops.Engine;
import io.sails4j.sae.Sae;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "inspect", description = "Say what a checkpoint, SAE, adapter, subspace or data file is: validated, summarised.")
final class InspectCommand implements Callable<Integer> {
    private static final String EXPECTED = "expected a model (a directory with config.json), an adapter (adapter_config.json), an SAE"
        + " (params.npz, cfg.json or hyperparams.json), a .safetensors file or preference data (.jsonl, .jsonl.gz)";
    /** Files by which a directory is known. */
    private static final List<String> MARKS = List.of("config.json", "adapter_config.json", "params.npz", "cfg.json", "hyperparams.json");

    @Mixin
    private CommonOptions common;

    @Parameters(paramLabel = "PATH",
        description = "model, SAE or adapter directory, or ORG/NAME in the hub's cache; params.npz; safetensors; preference data")
    private Path path;

    @Option(names = "--model", paramLabel = "DIR|ORG/NAME",
        description = "base model: to check an adapter's shapes against, or to show data as its tokens")
    private @Nullable Path model;

    private final ObjectNode json = CommonOptions.object();
    private final Table table = Table.ofPairs();

    @Override
    public Integer call() {
        HubCache cache = HubCache.ofSystem();
        path = cache.locate(path);
        model = model == null ? null : cache.locate(model);
        String name = path.getFileName() == null ? "" : path.getFileName().toString();
        if (LoraAdapter.isAdapter(path)) {
            adapter();
        } else if (Files.isDirectory(path) && Files.exists(path.resolve("config.json")) && !isOfSaeTraining(path)) {
            model();
        } else if (Files.isDirectory(path)) {
            requireKnown(path);
            sae();
        } else {
            requireRegular();
            file(name);
        }
        common.print(json, table);
        return 0;
    }

    /** Nothing else is opened: reading a FIFO would wait for whoever writes to it. */
    private void requireRegular() {
        if (Files.exists(path) && !Files.isRegularFile(path)) {
            throw new InputException(path + " is " + ForeignFile.kind(path) + "; " + EXPECTED);
        }
        ForeignFile.requireRegular(path);
    }

    private void file(String name) {
        if (name.matches(".*\\.(jsonl?(\\.gz)?|parquet)")) {
            data();
        } else if (name.endsWith(".safetensors") || ForeignFile.looksLikeSafetensors(path)) {
            safetensors();
        } else if (name.endsWith(".npz") || ShardedTensors.isPickle(name)) {
            sae();
        } else {
            throw new InputException(ForeignFile.sentence(path).orElseGet(() -> path + " is a file of no kind that is known by its name"
                + (name.endsWith(".json") ? "; a configuration is inspected with its directory" : "")) + "; " + EXPECTED);
        }
    }

    /** An error where a directory has nothing in it by which it is known: what it has, and what is looked for. */
    private static void requireKnown(Path directory) {
        try (Stream<Path> list = Files.list(directory)) {
            List<Path> entries = list.sorted().toList();
            boolean known = entries.stream().anyMatch(p -> holds(directory, p.getFileName().toString())
                || MARKS.stream().anyMatch(mark -> !mark.equals("config.json") && Files.exists(p.resolve(mark))));
            if (!known) {
                List<String> models = entries.stream().filter(p -> Files.exists(p.resolve("config.json"))).map(Path::toString).toList();
                String has = entries.isEmpty() ? "nothing" : entries.stream().limit(6).map(p -> p.getFileName().toString())
                    .collect(Collectors.joining(", ")) + (entries.size() > 6 ? " and " + (entries.size() - 6) + " more" : "");
                throw new InputException(directory + " is a directory with " + has + "; " + (models.isEmpty() ? EXPECTED
                    : "name one of the models in it: " + String.join(", ", models)));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static boolean holds(Path directory, String name) {
        return MARKS.contains(name) || ShardedTensors.isPickle(name) && Files.isRegularFile(directory.resolve(name));
    }

    /** dictionary_learning and sparsify keep a config.json, too: of how SAEs were trained. */
    private static boolean isOfSaeTraining(Path directory) {
        JsonObject json = JsonFiles.readObject(directory.resolve("config.json"));
        return !json.has("model_type") && (json.has("trainer") || json.has("sae"));
    }

    private void put(String key, Object value) {
        json.putPOJO(key.replace(' ', '_'), value);
        table.row(key, value);
    }

    private void model() {
        ModelConfig config = ModelConfig.read(path);
        try (Engine engine = common.openEngine();
             ModelWeights weights = ModelWeights.load(path, config, engine, config.checkpointDtype() == DType.F32
                 ? DType.F32 : DType.BF16, false)) {
            put("kind", config.family().title() + " checkpoint, complete and finite");
            put("parameters", config.parameterCount());
            put("tensors", weights.parameters().size());
            if (!weights.ignored().isEmpty()) {
                put("ignored", weights.ignored().size() + " buffers that config.json determines: " + weights.ignored().getFirst()
                    + (weights.ignored().size() > 1 ? ", ..." : ""));
            }
            put("dtype", config.checkpointDtype().name());
            if (weights.isPacked()) {
                put("weights", weights.format().name().toLowerCase(Locale.ROOT));
            }
        }
        put("layers", config.nLayers());
        put("d model", config.dModel());
        put("heads", config.nHeads() + " query, " + config.nKvHeads() + " key/value, head_dim " + config.headDim());
        put("d ff", config.dFf());
        put("vocabulary", config.vocabSize());
        put("output matrix", config.tiedHead() ? "the embedding" : "its own");
        switch (config.family()) {
            case GEMMA2 -> {
                put("sliding window", config.slidingWindow());
                put("soft caps", "scores " + config.attnLogitSoftcap() + ", logits " + config.finalLogitSoftcap());
            }
            case LLAMA -> put("rope", "theta " + config.ropeTheta() + ", scaling " + config.ropeScaling());
        }
        EnumSet<Projection> attention = EnumSet.of(Projection.Q_PROJ, Projection.K_PROJ, Projection.V_PROJ, Projection.O_PROJ);
        long lora = TrainedShape.ofAdapter(LoraConfig.uniform(config, attention, 16, 16, "").ranks(), TrainedShape.Variant.PLAIN)
            .parameterCount(config);
        put("LoRA r=16 on q, k, v, o", lora + String.format(Locale.ROOT, " (%.3f %%)", 100.0 * lora / config.parameterCount()));
        put("tokenizer", Files.exists(path.resolve("tokenizer.json")) ? "tokenizer.json" : "none: only token ids can be used");
    }

    private void adapter() {
        if (model == null) {
            throw common.wrong("an adapter is checked against its base model; name it with --model");
        }
        try (Engine engine = common.openEngine(); LoraAdapter adapter = LoraAdapter.load(path, ModelConfig.read(model), engine)) {
            put("kind", "PEFT LoRA adapter, complete and finite");
            put("modules", adapter.modules().size());
            put("projections",
                adapter.config().modules().stream().map(m -> m.projection().peftName()).distinct().collect(Collectors.joining(", ")));
            put("r", adapter.config().r());
            put("lora alpha", adapter.config().alpha());
            put("parameters", adapter.trainableCount());
            put("base model", adapter.config().baseModel());
            put("scaled by", adapter.config().rsLora() ? "alpha / sqrt(r)" : "alpha / r");
            put("DoRA", adapter.config().dora());
            notes(adapter.notes());
        }
    }

    private void sae() {
        try (Engine engine = common.openEngine(); Sae sae = Sae.load(path, engine)) {
            put("kind", "sparse autoencoder, " + sae.config().architecture().name().toLowerCase(Locale.ROOT));
            put("d in", sae.config().dIn());
            put("d sae", sae.config().dSae());
            if (sae.config().k() > 0) {
                put("k", sae.config().k());
            }
            put("layer norm", sae.config().layerNorm());
            put("subtracts b_dec", sae.config().applyBDecToInput());
            put("hook", Objects.requireNonNullElse(sae.hook().name(), "not stated"));
            put("belongs to", sae.hook().describe());
        }
    }

    private void data() {
        PreferenceSet set = PreferenceReader.read(path);
        put("kind", "preference data");
        put("format", set.format().title());
        put(set.report().unit(), set.report().records());
        put("usable pairs", set.pairs().size());
        set.report().leftOut().forEach(json.withObject("left_out")::put);
        table.row("left out", set.report().leftOut().values().stream().mapToLong(Long::longValue).sum());
        put("turns in the longest prompt", set.pairs().stream().mapToInt(p -> p.prompt().size()).max().orElse(0));
        notes(set.report().sentences());
        if (model != null) {
            firstPair(set, model);
        }
    }

    /** The first pair as the model will see it. */
    private void firstPair(PreferenceSet set, Path directory) {
        try (Tokenizer tokenizer = Tokenizer.load(directory)) {
            PairTokenizer pairs = new PairTokenizer(tokenizer, DataOptions.defaults().maxLength());
            List<TokenPair> tokens = pairs.tokenize(set.pairs());
            put("pairs for this model", tokens.size());
            notes(pairs.report());
            if (!tokens.isEmpty()) {
                TokenPair first = tokens.getFirst();
                put("first pair", first.aligned().origin() + ", | between tokens, [ ] around those that count");
                put("aligned", TokenText.marked(tokenizer, first.aligned()));
                put("unaligned", TokenText.marked(tokenizer, first.unaligned()));
            }
        }
    }

    private void notes(List<String> notes) {
        notes.forEach(note -> {
            json.withArray("notes").add(note);
            table.row("note", note);
        });
    }

    private void safetensors() {
        boolean subspace;
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            subspace = file.names().stream().anyMatch(n -> n.matches("layer\\.\\d+\\.basis"));
            if (!subspace) {
                put("kind", "safetensors file");
                put("bytes", file.byteSize());
                put("tensors", file.names().size());
                file.metadata().forEach((key, value) -> put("metadata " + key, value));
                for (String name : file.names()) {
                    HostTensor tensor = file.tensor(name);
                    put(name, tensor.dtype() + " " + tensor.shape());
                }
            }
        }
        if (subspace) {
            SafetySubspace read = SafetySubspace.read(path);
            put("kind", "safety subspace, orthonormal");
            read.layers().forEach((n, layer) -> put("layer " + n, layer.dimension() + " dimensions of " + layer.dModel() + " from "
                + layer.featureIds().length + " features"));
            new TreeMap<>(read.provenance()).forEach(this::put);
        }
    }
}
