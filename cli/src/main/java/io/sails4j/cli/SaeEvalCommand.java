package io.sails4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.data.DataOptions;
import io.sails4j.hub.HubCache;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelOptions;
import io.sails4j.ops.Engine;
import io.sails4j.options.Options;
import io.sails4j.sae.Sae;
import io.sails4j.saeeval.Absorption;
import io.sails4j.saeeval.KnownFeatureMeasures;
import io.sails4j.saeeval.ModelMeasures;
import io.sails4j.saeeval.ReconstructionMeasures;
import io.sails4j.saeeval.SaeEvalOptions;
import io.sails4j.saeeval.SaeEvaluation;
import io.sails4j.saeeval.SaeEvaluator;
import io.sails4j.saeeval.StoredLabels;
import io.sails4j.saetrain.ActivationSource;
import io.sails4j.saetrain.StoredActivations;
import io.sails4j.saetrain.TextCorpus;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(name = "eval",
    description = {"Measure a sparse autoencoder on the residual stream of a model, or on vectors of a file.",
        "Reconstruction, dead, dense and double features; with a model its cross-entropy and KL divergence, with preference pairs probes."})
final class SaeEvalCommand implements Callable<Integer> {
    @Mixin
    private CommonOptions common;

    @Option(names = "--sae", required = true, paramLabel = "PATH",
        description = "Gemma Scope params.npz (or its directory), a SAELens, sparsify or Llama Scope directory, or ORG/NAME/DIR in the"
            + " hub's cache")
    private Path saePath;

    @Option(names = "--model", paramLabel = "DIR|ORG/NAME",
        description = "directory of a Gemma-2 or Llama-3 model, or ORG/NAME in the hub's cache; with --layer and --data")
    private @Nullable Path model;

    @Option(names = "--layer", defaultValue = "-1", paramLabel = "N",
        description = "layer after which the residual stream is taken (default: the one that the autoencoder's files name)")
    private int layer;

    @Option(names = "--data", paramLabel = "FILE[=COLUMN]",
        description = "preference data, NAME.txt, or a table or JSON lines with a text a row in COLUMN; repeat for more")
    private List<String> data = new ArrayList<>();

    @Option(names = "--activations", paramLabel = "FILE[:TENSOR]",
        description = "vectors [n, d_in] of a safetensors or npz file, in place of a model")
    private @Nullable String activations;

    @Option(names = "--features", paramLabel = "FILE[:TENSOR]",
        description = "directions [n, d_in] that are known to be in the --activations: how many of them were found")
    private @Nullable String features;

    @Option(names = "--labels", paramLabel = "FILE[:TENSOR]",
        description = "I32 labels [n] of the --activations, negative = none: absorption of each label is measured")
    private @Nullable String labels;

    @Spec
    private CommandSpec command;

    @Override
    public Integer call() {
        SaeEvalOptions options = OptionFlags.values(command, SaeEvalOptions.defaults());
        if ((model == null) == (activations == null)) {
            throw common.wrong("expected vectors of one source: either --model DIR with --data, or --activations FILE");
        }
        if (model != null && data.isEmpty()) {
            throw common.wrong("--model needs --data FILE, texts to read");
        }
        if (model != null && labels != null) {
            throw common.wrong("--labels are of the vectors of --activations, and a --model is given; its texts have sides where --data are"
                + " preference pairs");
        }
        if (model != null && features != null || activations != null && (!data.isEmpty() || layer >= 0)) {
            throw common.wrong(model != null ? "--features are directions that are known to be in --activations, and a --model is given"
                : "--data and --layer belong to a --model; --activations are vectors already");
        }
        if (activations != null) {
            OptionFlags.requireNone(command, DataOptions.defaults(), Set.of(),
                "it is about texts that a --model reads; --activations are vectors already: leave it out");
        }
        if (features == null) {
            OptionFlags.requireNone(command, List.of("--recovered-cosine"),
                "it is about directions that are known, and there are none: add --features FILE, or leave it out");
        }
        try (Engine engine = common.openEngine(); Sae sae = Sae.load(HubCache.ofSystem().locate(saePath), engine)) {
            SaeEvaluator evaluator = new SaeEvaluator(engine, sae, options);
            SaeEvaluation found = activations != null ? onStored(evaluator, activations)
                : onModel(evaluator, engine, sae, HubCache.ofSystem().locate(Objects.requireNonNull(model)));
            ObjectNode json = found.json();
            json.set("options", Options.json(options));
            common.print(json, table(found, options));
        }
        return 0;
    }

    private SaeEvaluation onStored(SaeEvaluator evaluator, String where) {
        try (StoredActivations vectors = StoredActivations.open(where, ActivationSource.NO_LAYER, common.seed());
             StoredActivations known = features == null ? null : StoredActivations.open(features, ActivationSource.NO_LAYER, 0)) {
            return evaluator.of(vectors, known, labels == null ? null : StoredLabels.read(labels));
        }
    }

    private SaeEvaluation onModel(SaeEvaluator evaluator, Engine engine, Sae sae, Path directory) {
        Integer told = sae.hook().layer();
        if (layer < 0 && told == null) {
            throw common.wrong("--layer is missing: " + sae.path() + " does not tell its layer");
        }
        int at = layer < 0 && told != null ? told : layer;
        TextCorpus corpus = TextCorpus.read(data, directory, OptionFlags.values(command, DataOptions.defaults()));
        corpus.notes().forEach(note -> common.message("data: " + note));
        try (CausalModel loaded = CausalModel.load(directory, engine, ModelOptions.of(common.dtype()));
             ProgressBar bar = common.progress("sae eval")) {
            return evaluator.of(loaded, at, corpus, bar);
        }
    }

    private static String number(double value) {
        return String.format(Locale.ROOT, "%.4f", value);
    }

    private static Table table(SaeEvaluation found, SaeEvalOptions options) {
        Table table = Table.ofPairs();
        ReconstructionMeasures r = found.reconstruction();
        table.row("vectors", r.vectors()).row("L0", number(r.l0())).row("FVU", number(r.fvu()));
        table.row("explained variance", number(r.explainedVariance())).row("cosine", number(r.cosine()));
        table.row("length ratio", number(r.lengthRatio()));
        table.row("features", r.features() + ", " + r.dead() + " dead, " + r.dense() + " dense, " + found.duplicates()
            + " with a double (cosine " + options.duplicateCosine() + ")");
        ModelMeasures model = found.model();
        if (model != null) {
            table.row("cross-entropy", number(model.crossEntropy()) + ", " + number(model.crossEntropySae()) + " with reconstructions, "
                + number(model.crossEntropyZero()) + " with zeros, " + number(model.crossEntropyMean()) + " with the mean");
            table.row("recovered", number(model.recoveredFromZero()) + " from zeros, " + number(model.recoveredFromMean())
                + " from the mean");
            table.row("KL", number(model.klSae()) + " with reconstructions, " + number(model.klZero()) + " with zeros; score "
                + number(model.klScore()));
        }
        KnownFeatureMeasures known = found.known();
        if (known != null) {
            table.row("known features", "mean max cosine " + number(known.meanMaxCosine()) + ", " + number(100 * known.recovered())
                + " % of " + known.known() + " recovered (cosine " + options.recoveredCosine() + ")");
        }
        Absorption absorption = found.absorption();
        if (absorption != null) {
            table.row("absorption", number(absorption.meanFraction()) + " on average over " + absorption.labels().size()
                + " labels, full in " + number(100 * absorption.fullRate()) + " %"
                + (absorption.leftOut().isEmpty() ? "" : "; too few vectors of labels " + absorption.leftOut()));
            absorption.labels().forEach(of -> table.row("label " + of.label(), number(of.meanFraction()) + " absorbed, full in "
                + number(100 * of.fullRate()) + " % of " + of.examples() + "; main features " + of.mainFeatures() + ", F1 "
                + number(of.mainF1()) + " (probe " + number(of.probeF1()) + ")"));
        }
        found.probes().forEach(probe -> table.row("probe of " + probe.k(), number(probe.accuracy()) + " right on " + probe.testTexts()
            + " texts, by features " + probe.features()));
        return table;
    }
}
