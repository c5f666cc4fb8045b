package io.sails4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.adaptation.Adaptation;
import io.sails4j.align.AlignOptions;
import io.sails4j.align.Method;
import io.sails4j.config.ModelConfig;
import io.sails4j.data.DataOptions;
import io.sails4j.data.TokenPair;
import io.sails4j.eval.PromptFile;
import io.sails4j.files.AtomicFiles;
import io.sails4j.files.FileHash;
import io.sails4j.hub.HubCache;
import io.sails4j.judge.JudgeSpec;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelOptions;
import io.sails4j.model.ModelWeights;
import io.sails4j.model.WeightFormat;
import io.sails4j.ops.Engine;
import io.sails4j.ops.MatmulPeak;
import io.sails4j.report.Reports;
import io.sails4j.run.AlignResult;
import io.sails4j.run.AlignRun;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.subspace.SubspaceOptions;
import io.sails4j.subspace.SubspacePipeline;
import io.sails4j.tensor.DType;
import io.sails4j.train.Objective;
import io.sails4j.train.RunControl;
import io.sails4j.train.RunOrigin;
import io.sails4j.train.StoppedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(name = "align", description = "Train an adapter in the safety subspace (or a plain one, or the whole model) on preference data,"
    + " or on rewards of its own answers.")
final class AlignCommand implements Callable<Integer> {
    private static final int STOPPED = 1;

    @Mixin
    private CommonOptions common;

    @Mixin
    private WeightArguments weights;

    @Option(names = "--model", required = true, paramLabel = "DIR|ORG/NAME",
        description = "directory of a Gemma-2 or Llama-3 model, or ORG/NAME in the hub's cache")
    private Path model;

    @Option(names = "--subspace", paramLabel = "FILE", description = "subspace file of `sails subspace`")
    private @Nullable Path subspaceFile;

    @Option(names = "--sae", paramLabel = "LAYER=PATH", description = "SAE to find the subspace with first; repeat for more layers")
    private List<String> saes = List.of();

    @Mixin
    private DataArguments data;

    @Spec
    private CommandSpec command;

    @Mixin
    private TrainingArguments training;

    @Mixin
    private PolicyArguments policy;

    @Option(names = "--out", paramLabel = "DIR",
        description = "PEFT adapter directory to write (a checkpoint for --method full), with metrics.jsonl, sails_run.json and"
            + " report.html")
    private @Nullable Path out;

    @Option(names = "--plan", description = "print what the run would need, by --model (a directory or a config.json alone), and exit")
    private boolean plan;

    @Option(names = "--resume", description = "go on from the newest checkpoint in OUT.partial; all other options as in the first run")
    private boolean resume;

    @Override
    public Integer call() {
        AlignOptions options = training.options(common.seed());
        model = HubCache.ofSystem().locate(model);
        if (plan) {
            return plan(options);
        }
        requireSubspaceChoice(options);
        Objective objective = options.objective().objective();
        policy.requireFor(objective, common);
        requireUsed(objective);
        SortedMap<Integer, Path> saePaths = SaeArguments.parse(saes, common);
        MatmulPeak peak = training.peak();
        if (out == null) {
            throw common.wrong("--out is missing: name the directory to write");
        }
        AtomicFiles.requireFresh(out);
        data.requirePositions(ModelConfig.read(model));
        JudgeSpec judge = objective.samplesAnswers() ? policy.judge(common) : null;
        List<PromptFile> prompts = objective.samplesAnswers() ? policy.files(data, common) : List.of();
        boolean writable = options.method() == Method.FULL;
        WeightFormat format = weights.format(common);
        if (writable && format != WeightFormat.CHECKPOINT) {
            throw common.wrong("--weights is for methods that leave the weights as they are; --method full trains them: leave it out");
        }
        try (Engine engine = common.openEngine();
             CausalModel loaded = CausalModel.load(model, engine, new ModelOptions(common.dtype(), writable, false, format))) {
            List<TokenPair> pairs = judge == null || !saes.isEmpty() ? data.load(model, common) : List.of();
            Map<String, String> provenance = new LinkedHashMap<>();
            if (format != WeightFormat.CHECKPOINT) {
                provenance.put("model.weights", format.name().toLowerCase(Locale.ROOT));
            }
            SafetySubspace subspace = subspace(loaded, engine, pairs, saePaths, provenance);
            AlignResult result;
            try (ProgressBar bar = common.progress("align"); StopSignal signal = new StopSignal(common::message)) {
                RunControl control = new RunControl(resume, signal::asked, peak);
                if (judge == null) {
                    result = run(loaded, options, subspace, provenance).run(pairs, out, bar, control);
                } else {
                    try (PolicyArguments.Opened opened = new PolicyArguments.Opened(judge, prompts, loaded, model, data.options(),
                        provenance)) {
                        result = run(loaded, options, subspace, provenance).run(opened.task(), out, bar, control);
                    }
                }
            } catch (StoppedException e) {
                return STOPPED;
            }
            Path page = Reports.writeInto(result.out());
            common.print(json(result, engine).put("report", page.toString()), table(result, subspace, engine).row("report", page));
        }
        return 0;
    }

    private AlignRun run(CausalModel loaded, AlignOptions options, @Nullable SafetySubspace subspace, Map<String, String> provenance) {
        return new AlignRun(loaded, model, options, subspace, origin(provenance));
    }

    /** The options of a subspace that was made before are in its file. */
    private RunOrigin origin(Map<String, String> provenance) {
        return new RunOrigin(provenance,
            saes.isEmpty() ? List.of(data.options()) : List.of(data.options(), OptionFlags.values(command, SubspaceOptions.defaults())));
    }

    private int plan(AlignOptions options) {
        ModelConfig config = Files.isDirectory(model) ? ModelConfig.read(model) : ModelConfig.readFile(model);
        data.requirePositions(config);
        DType dtype = common.dtype() != null ? common.dtype() : config.checkpointDtype() == DType.F32 ? DType.F32 : DType.BF16;
        try (Engine engine = common.openEngine()) {
            Adaptation adaptation = Adaptation.of(options, subspaceFile == null ? null : SafetySubspace.read(subspaceFile));
            PlanTable table = new PlanTable(config, dtype, planned(config), adaptation, data.options().maxLength(), engine);
            common.print(table.json(), table.table());
        }
        return 0;
    }

    private WeightFormat planned(ModelConfig config) {
        WeightFormat asked = weights.format(common);
        return asked == WeightFormat.CHECKPOINT && Files.exists(model.resolve("model.safetensors"))
            ? ModelWeights.formatOf(model, config) : asked;
    }

    private void requireSubspaceChoice(AlignOptions options) {
        boolean sails = options.method() == Method.SAILS;
        if (sails && (subspaceFile == null) == saes.isEmpty()) {
            throw common.wrong("--method sails needs a safety subspace: either --subspace FILE or --sae LAYER=PATH");
        }
        if (!sails && (subspaceFile != null || !saes.isEmpty())) {
            throw common.wrong("--subspace and --sae are used by --method sails only");
        }
    }

    /** What makes a subspace, or reads pairs, is of no use where there is none to make or to read. */
    private void requireUsed(Objective objective) {
        if (saes.isEmpty()) {
            OptionFlags.requireNone(command, SubspaceOptions.defaults(), Set.of(),
                "it is about finding a subspace with --sae LAYER=PATH, which is not given: leave it out, or name an SAE");
            if (objective.samplesAnswers() && policy.namesPrompts()) {
                String why = "no preference data is read: the answers are to --prompts, and no --sae needs pairs; leave it out";
                if (data.given()) {
                    throw new InputException("--data is given, and " + why);
                }
                OptionFlags.requireNone(command, DataOptions.defaults(), Set.of("template"), why);
            }
        }
    }

    private @Nullable SafetySubspace subspace(CausalModel loaded, Engine engine, List<TokenPair> pairs, SortedMap<Integer, Path> saePaths,
        Map<String, String> provenance) {
        if (subspaceFile != null) {
            SafetySubspace subspace = SafetySubspace.read(subspaceFile);
            subspace.requireModel(loaded.config(), subspaceFile, model);
            provenance.put("model.sha256", FileHash.sha256(model));
            putData(provenance);
            provenance.put("subspace.sha256", FileHash.sha256(subspaceFile));
            return subspace;
        }
        if (saes.isEmpty()) {
            provenance.put("model.sha256", FileHash.sha256(model));
            putData(provenance);
            return null;
        }
        try (SaeArguments.Opened opened = SaeArguments.open(saePaths, engine); ProgressBar bar = common.progress("features")) {
            provenance.putAll(SubspaceCommand.provenance(model, data, opened));
            return new SubspacePipeline(loaded, model, opened.saes(), OptionFlags.values(command, SubspaceOptions.defaults())).build(pairs,
                provenance, bar);
        }
    }

    /** An objective that samples answers may do without. */
    private void putData(Map<String, String> provenance) {
        if (data.given() || !policy.namesPrompts()) {
            provenance.put("data.sha256", FileHash.sha256(data.path()));
        }
    }

    private static ObjectNode json(AlignResult result, Engine engine) {
        ObjectNode json = CommonOptions.object();
        json.put("trainable_parameters", result.trainable()).put("steps", result.steps()).put("tokens", result.tokens());
        json.put("seconds", result.seconds()).put("tokens_per_s", result.tokensPerSecond());
        json.put("loss_before", result.lossBefore()).put("loss_after", result.lossAfter()).put("evaluation_pairs", result.evalPairs());
        if (result.objective().samplesAnswers()) {
            json.put("reward_before", -result.lossBefore()).put("reward_after", -result.lossAfter());
        }
        json.put("held_out", result.heldOut()).put("flops_per_s", result.flopsPerSecond()).put("mfu", result.utilisation());
        json.put("peak_flops_per_s", result.peak().flopsPerSecond()).put("peak", result.peak().source());
        if (!Double.isNaN(result.shareInside())) {
            json.put("share_inside", result.shareInside());
        }
        return json.put("peak_device_bytes", engine.device().peakBytes()).put("out", result.out().toString());
    }

    static Table table(AlignResult result, @Nullable SafetySubspace subspace, Engine engine) {
        Table table = Table.ofPairs();
        if (subspace != null) {
            subspace.layers().forEach((n, layer) -> table.row("layer " + n,
                layer.featureIds().length + " features kept, subspace of " + layer.dimension() + " of " + layer.dModel() + " dimensions"));
        }
        table.row("trainable parameters", String.format(Locale.ROOT, "%,d", result.trainable()));
        table.row("steps", result.steps());
        table.row("tokens", String.format(Locale.ROOT, "%,d in %s, %,.0f tokens/s", result.tokens(), ProgressBar.duration(result.seconds()),
            result.tokensPerSecond()));
        table.row("model FLOP/s",
            String.format(Locale.ROOT, "%.3g, %.1f %% of %.3g (%s)", result.flopsPerSecond(), 100 * result.utilisation(),
                result.peak().flopsPerSecond(), result.peak().source()));
        boolean rewards = result.objective().samplesAnswers();
        int sign = rewards ? -1 : 1;
        table.row(rewards ? "reward before, after" : "loss before, after",
            String.format(Locale.ROOT, rewards ? "%.4f, %.4f (of greedy answers to %d %s prompts)" : "%.4f, %.4f (on %d %s pairs)",
                sign * result.lossBefore(), sign * result.lossAfter(), result.evalPairs(), result.heldOut() ? "held-out" : "training"));
        if (!Double.isNaN(result.shareInside())) {
            table.row("update inside the subspace", String.format(Locale.ROOT, "%.4f %%", 100 * result.shareInside()));
        }
        table.row("peak device memory", String.format(Locale.ROOT, "%,d MiB", engine.device().peakBytes() >> 20));
        return table.row("written", result.out());
    }
}
