package io.sails4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.data.Tokenizer;
import io.sails4j.files.AtomicFiles;
import io.sails4j.hub.HubCache;
import io.sails4j.model.CausalModel;
import io.sails4j.model.InputImportance;
import io.sails4j.model.ModelOptions;
import io.sails4j.model.ModelSession;
import io.sails4j.model.ModelWeights;
import io.sails4j.model.QuantizedCheckpoint;
import io.sails4j.model.WeightFormat;
import io.sails4j.ops.Engine;
import io.sails4j.stats.Bootstrap;
import io.sails4j.stats.Interval;
import io.sails4j.utility.DocumentLoss;
import io.sails4j.utility.QuantizationLoss;
import io.sails4j.utility.TextDocument;
import io.sails4j.utility.TextFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(name = "quantize", description = {
    "Write a checkpoint whose big matrices have 8 or 4 bits a weight. Every command opens it; adapters of the model stay its adapters.",
    "With --importance the scales are those that err least where the given texts' activations are large. --test tells what it costs:"
        + " perplexity before and after, and how far the next token's distribution has moved."})
final class QuantizeCommand implements Callable<Integer> {
    private static final double MIB = 1 << 20;

    @Spec
    private CommandSpec command;

    @Mixin
    private CommonOptions common;

    @Option(names = "--model", required = true, paramLabel = "DIR|ORG/NAME",
        description = "directory of a Gemma-2 or Llama-3 model, or ORG/NAME in the hub's cache")
    private Path model;

    @Option(names = "--weights", required = true, paramLabel = "int8|int4",
        description = "int8, or int4 with embedding and output matrix in int8; groups of 32 columns share a bf16 scale")
    private String weights;

    @Option(names = "--importance", paramLabel = "FILE[=COLUMN]",
        description = "texts like those that the model will read: NAME.txt, or a table or JSON lines with a text a row in COLUMN (default:"
            + " text); repeat for more (default: all columns count the same)")
    private List<String> importance = new ArrayList<>();

    @Option(names = "--importance-tokens", defaultValue = "16384", paramLabel = "N",
        description = "tokens of --importance that are looked at (default: ${DEFAULT-VALUE})")
    private int importanceTokens;

    @Option(names = "--test", paramLabel = "FILE[=COLUMN]", description = "other texts, to measure what is lost; repeat for more")
    private List<String> test = new ArrayList<>();

    @Option(names = "--window", defaultValue = "512", paramLabel = "N",
        description = "tokens that a pass reads (default: ${DEFAULT-VALUE})")
    private int window;

    @Option(names = "--out", required = true, paramLabel = "DIR", description = "checkpoint directory to write")
    private Path out;

    @Override
    public Integer call() {
        WeightFormat format = WeightArguments.parse(weights, common);
        if (window < 2) {
            throw common.wrong("--window is " + window + "; expected 2 tokens or more");
        }
        if (importanceTokens < 1) {
            throw common.wrong("--importance-tokens is " + importanceTokens + "; expected 1 or more");
        }
        if (importance.isEmpty()) {
            OptionFlags.requireNone(command, List.of("--importance-tokens"), "it is about --importance, which is not given: leave it out");
        }
        if (importance.isEmpty() && test.isEmpty()) {
            OptionFlags.requireNone(command, List.of("--window"), "it is about --importance and --test: leave it out");
        }
        AtomicFiles.requireFresh(out);
        Path source = HubCache.ofSystem().locate(model);
        List<TextFile> looked = importance.stream().map(UtilityArguments::text).toList();
        List<TextFile> tested = test.stream().map(UtilityArguments::text).toList();
        try (Engine engine = common.openEngine(); CausalModel loaded = CausalModel.load(source, engine, ModelOptions.of(common.dtype()))) {
            if (loaded.weights().isPacked()) {
                throw common.wrong("--model " + source + " is quantized already; take the checkpoint that it was made from");
            }
            InputImportance important = looked.isEmpty() ? null : importance(loaded, source, looked);
            ModelWeights packed = QuantizedCheckpoint.pack(loaded, format, important);
            try (CausalModel quantized = new CausalModel(engine, packed, false)) {
                QuantizedCheckpoint.write(packed, engine, source, out);
                print(loaded, quantized, important, tested.isEmpty() ? null : losses(loaded, quantized, source, tested));
            }
        }
        return 0;
    }

    private InputImportance importance(CausalModel loaded, Path source, List<TextFile> files) {
        InputImportance important = new InputImportance();
        try (Tokenizer tokenizer = Tokenizer.load(source); ModelSession session = ModelSession.open(loaded);
             ProgressBar bar = common.progress("importance")) {
            for (TextDocument document : documents(files)) {
                int[] ids = tokenizer.encodeText(document.text());
                for (int at = 0; at < ids.length && important.tokens() < importanceTokens; at += window - 1) {
                    int count = (int) Math.min(Math.min(window - 1, ids.length - at), importanceTokens - important.tokens());
                    int[] piece = new int[count + 1];
                    piece[0] = tokenizer.bosId();
                    System.arraycopy(ids, at, piece, 1, count);
                    important.add(session, piece);
                    bar.update(Math.min(important.tokens(), importanceTokens), importanceTokens, 0);
                }
            }
        }
        return important;
    }

    private List<QuantizationLoss> losses(CausalModel loaded, CausalModel quantized, Path source, List<TextFile> files) {
        List<QuantizationLoss> losses = new ArrayList<>();
        List<TextDocument> documents = documents(files);
        try (Tokenizer tokenizer = Tokenizer.load(source);
             QuantizationLoss.Measure measure = new QuantizationLoss.Measure(loaded, quantized,
                 tokenizer, window);
             ProgressBar bar = common.progress("test")) {
            for (TextDocument document : documents) {
                losses.add(measure.of(document));
                bar.update(losses.size(), documents.size(), 0);
            }
        }
        return losses;
    }

    private static List<TextDocument> documents(List<TextFile> files) {
        return files.stream().flatMap(file -> file.documents().stream()).toList();
    }

    private void print(CausalModel loaded, CausalModel quantized, @Nullable InputImportance important,
        @Nullable List<QuantizationLoss> losses) {
        long parameters = loaded.config().parameterCount();
        long before = loaded.weights().byteSize();
        long after = quantized.weights().byteSize();
        Table table = Table.ofPairs().row("weights", weights);
        ObjectNode json = CommonOptions.object().put("weights", weights).put("out", out.toString()).put("bytes_before", before)
            .put("bytes_after", after).put("bits_per_weight", 8.0 * after / parameters);
        table.row("size", String.format(Locale.ROOT, "%.1f MiB, %.1f before; %.2f bits a weight", after / MIB, before / MIB,
            8.0 * after / parameters));
        table.row("scales", important == null ? "of the largest of a group"
            : "of the least error on " + String.format(Locale.ROOT, "%,d", important.tokens()) + " tokens");
        if (losses != null) {
            measured(losses, json, table);
        }
        common.print(json, table.row("written", out));
    }

    private void measured(List<QuantizationLoss> losses, ObjectNode json, Table table) {
        Bootstrap bootstrap = Bootstrap.of(common.seed());
        Interval before = DocumentLoss.perplexity(losses.stream().map(QuantizationLoss::before).toList(), bootstrap);
        Interval after = DocumentLoss.perplexity(losses.stream().map(QuantizationLoss::after).toList(), bootstrap);
        double[] divergences = losses.stream().flatMapToDouble(loss -> Arrays.stream(loss.divergences())).toArray();
        double mean = Arrays.stream(divergences).average().orElse(Double.NaN);
        Arrays.sort(divergences);
        double largest = divergences.length == 0 ? Double.NaN : divergences[(int) (0.99 * (divergences.length - 1))];
        table.row("perplexity", String.format(Locale.ROOT, "%.4f (%.4f to %.4f), %.4f before", after.value(), after.low(), after.high(),
            before.value()));
        table.row("KL", String.format(Locale.ROOT, "%.3g nats a token from the model before, 99 %% below %.3g; %,d tokens", mean, largest,
            divergences.length));
        json.put("perplexity_before", before.value()).put("perplexity_after", after.value()).put("kl_mean", mean).put("kl_p99", largest)
            .put("tokens", divergences.length);
    }
}
