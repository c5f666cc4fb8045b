package io.sails4j.align;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.config.ModuleKey;
import io.sails4j.data.Progress;
import io.sails4j.data.TokenPair;
import io.sails4j.io.AtomicFiles;
import io.sails4j.io.InputException;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.model.CausalModel;
import io.sails4j.objective.Loss;
import io.sails4j.objective.PreferenceLoss;
import io.sails4j.objective.SftLoss;
import io.sails4j.ops.Engine;
import io.sails4j.ops.MatmulPeak;
import io.sails4j.ops.PreferenceKind;
import io.sails4j.run.Evaluator;
import io.sails4j.run.PersistentRun;
import io.sails4j.run.RunControl;
import io.sails4j.run.RunSummary;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.tensor.Tensor;
import io.sails4j.train.GraphMode;
import io.sails4j.train.StepHook;
import io.sails4j.train.StepMetrics;
import io.sails4j.train.TrainingLoop;
import io.sails4j.train.TrainingOptions;
import io.sails4j.trainable.CoreLoraTrainable;
import io.sails4j.trainable.FullTrainable;
import io.sails4j.trainable.LoraTrainable;
import io.sails4j.trainable.Trainable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Trains an adapter (or the whole model) and writes it. {@code OUT} appears only when it is complete; while the run goes on, its metrics and
 * checkpoints are in {@code OUT.partial}.
 */
public final class AlignRun {
    /** Held-out pairs are affordable where they are at most this share of the data. */
    private static final int HELD_OUT_SHARE = 10;
    private static final List<String> TOKENIZER_FILES = List.of("tokenizer.json", "tokenizer.model", "tokenizer_config.json",
        "special_tokens_map.json", "chat_template.jinja", "generation_config.json");

    private final CausalModel model;
    private final Path modelPath;
    private final AlignOptions options;
    private final @Nullable SafetySubspace subspace;
    private final Map<String, String> provenance;

    /**
     * @param model for {@code full} loaded writable
     * @param modelPath goes into the adapter as its base
     * @param subspace needed by {@code sails}
     * @param provenance what the run was made from, written beside the result
     */
    public AlignRun(CausalModel model, Path modelPath, AlignOptions options, @Nullable SafetySubspace subspace, Map<String, String> provenance) {
        if ((options.method() == AlignOptions.Method.SAILS) != (subspace != null)) {
            throw new InputException(subspace == null ? "the method 'sails' needs a safety subspace: --subspace FILE or --sae LAYER=PATH"
                : "a safety subspace is used by the method 'sails' only");
        }
        this.model = model;
        this.modelPath = modelPath;
        this.options = options;
        this.subspace = subspace;
        this.provenance = new TreeMap<>(provenance);
    }

    public AlignResult run(List<TokenPair> pairs, Path out, Progress progress) {
        return run(pairs, out, progress, RunControl.plain());
    }

    /**
     * Trains and writes {@code out}; see {@link PersistentRun} for what happens when the run is stopped, killed or goes on.
     *
     * @throws io.sails4j.run.StoppedException where {@code control} asked the run to stop
     */
    public AlignResult run(List<TokenPair> pairs, Path out, Progress progress, RunControl control) {
        AtomicFiles.requireFresh(out);
        boolean heldOut = pairs.size() >= HELD_OUT_SHARE * options.evalPairs();
        int nEval = Math.min(options.evalPairs(), pairs.size());
        Split split = new Split(heldOut ? pairs.subList(0, pairs.size() - nEval) : pairs, pairs.subList(pairs.size() - nEval, pairs.size()), heldOut);
        return switch (options.method()) {
            case FULL -> {
                try (FullTrainable trainable = new FullTrainable(model, options.training().more().bf16Masters())) {
                    yield train(trainable, StepHook.none(), split, out, progress, control, this::writeCheckpoint);
                }
            }
            case LORA -> {
                if (options.adapter().init() == AdapterOptions.Init.PISSA) {
                    try (PissaAdapter pissa = new PissaAdapter(model, options, modelPath.toString());
                         LoraTrainable trainable = new LoraTrainable(pissa.trained(), pissa.takenOut(), model.engine().device())) {
                        yield train(trainable, StepHook.none(), split, out, progress, control, pissa::writeInto);
                    }
                }
                try (LoraAdapter adapter = AdapterInitialiser.plain(model, options, modelPath.toString());
                     LoraTrainable trainable = new LoraTrainable(adapter, model.engine().device())) {
                    yield train(trainable, StepHook.none(), split, out, progress, control, adapter::writeInto);
                }
            }
            case SAILS -> sails(java.util.Objects.requireNonNull(subspace), split, out, progress, control);
        };
    }

    private AlignResult sails(SafetySubspace space, Split split, Path out, Progress progress, RunControl control) {
        Engine engine = model.engine();
        try (LoraAdapter adapter = AdapterInitialiser.inSubspace(space, model.config(), options, modelPath.toString(), engine.device())) {
            AtomicFiles.DirectoryWriter writer = directory -> {
                adapter.writeInto(directory);
                space.write(directory.resolve("subspace.safetensors"));
            };
            if (options.constraint() != AlignOptions.Constraint.CORE) {
                try (LoraTrainable trainable = new LoraTrainable(adapter, engine.device());
                     SubspaceHook hook = new SubspaceHook(space, trainable, options, engine)) {
                    return train(trainable, hook, split, out, progress, control, writer);
                }
            }
            Map<SafetySubspace.Layer, Tensor> bases = new HashMap<>();
            Map<ModuleKey, Tensor> byModule = new TreeMap<>();
            adapter.modules().keySet().forEach(module -> byModule.put(module,
                bases.computeIfAbsent(space.nearest(module.layer()), layer -> SubspaceHook.basis(layer, engine))));
            try (CoreLoraTrainable trainable = new CoreLoraTrainable(adapter, byModule, engine);
                 SubspaceHook hook = new SubspaceHook(space, adapter, trainable.gradients(), options, engine)) {
                return train(trainable, hook, split, out, progress, control, writer);
            } finally {
                bases.values().forEach(Tensor::close);
            }
        }
    }

    /** The pairs that are trained on and those that are looked at. */
    private record Split(List<TokenPair> training, List<TokenPair> evaluation, boolean heldOut) {
    }

    /** The model with the files that make it usable: a checkpoint without its tokenizer could not be run. */
    private void writeCheckpoint(Path directory) throws IOException {
        model.weights().writeInto(directory, model.engine());
        for (String name : TOKENIZER_FILES) {
            if (Files.exists(modelPath.resolve(name))) {
                Files.copy(modelPath.resolve(name), directory.resolve(name));
            }
        }
    }

    private Loss loss(List<TokenPair> pairs, boolean live) {
        return switch (options.objective()) {
            case SFT -> new SftLoss(pairs.stream().map(TokenPair::aligned).toList());
            case DPO -> new PreferenceLoss(pairs, options.dpoBeta(), PreferenceKind.DPO, live);
            case IPO -> new PreferenceLoss(pairs, options.dpoBeta(), PreferenceKind.IPO, live);
            case ORPO -> new PreferenceLoss(pairs, options.dpoBeta(), PreferenceKind.ORPO);
        };
    }

    private AlignResult train(Trainable trainable, StepHook hook, Split split, Path out, Progress progress, RunControl control,
                              AtomicFiles.DirectoryWriter weights) {
        long start = System.nanoTime();
        Path partial = out.resolveSibling(out.getFileName() + ".partial");
        try (TrainingLoop loop = new TrainingLoop(model, trainable, loss(split.training, options.liveReference()), options.training(), hook, System::nanoTime);
             Evaluator evaluator = new Evaluator(loop.session(), trainable, loss(split.evaluation, false), options.training().microTokens(),
                 options.training().packing());
             PersistentRun run = new PersistentRun(loop, trainable, evaluator, options.training(), fingerprint(split),
                 model.engine().device().describe(), partial, control)) {
            control.message().accept(memory(loop));
            control.message().accept(loop.usesGraphs() ? "graphs: on, passes of a shape that comes again are recorded and launched as one"
                : "graphs: off" + (options.training().graphs() == GraphMode.OFF ? "" : ", the backend records none"));
            MatmulPeak peak = control.peak() != null ? control.peak() : MatmulPeak.measure(model.engine(), model.computeDtype());
            Speed speed = new Speed();
            PersistentRun.Outcome outcome = run.run(peak, step -> {
                speed.add(step);
                progress.update(step.step(), step.totalSteps(), step.totalTokens(), detail(step, peak));
            });
            AlignResult result = new AlignResult(trainable.count(), loop.steps(), loop.totalTokens(), (System.nanoTime() - start) * 1e-9,
                outcome.before().loss(), outcome.after().loss(), split.evaluation.size(), split.heldOut, share(hook), speed.flopsPerSecond(), peak, out);
            try {
                AtomicFiles.writeDirectory(out, directory -> {
                    weights.write(directory);
                    if (Files.exists(run.metrics())) {
                        Files.copy(run.metrics(), directory.resolve("metrics.jsonl"));
                        new RunSummary(run.metrics(), options.training(), loop.plan().steps().size()).write(directory);
                    }
                    copyTree(run.boardDirectory(), directory.resolve("tensorboard"));
                    AtomicFiles.writeJson(directory.resolve("sails_run.json"), description(result, outcome, loop.graphLaunches()));
                });
            } catch (UncheckedIOException e) {
                throw new UncheckedIOException(e.getMessage() + "; nothing is lost: " + run.standing() + ", make room and run the same command with"
                    + " --resume", e.getCause());
            }
            run.discard();
            return result;
        }
    }

    private static double share(StepHook hook) {
        return hook instanceof SubspaceHook subspace ? subspace.measureShare() : Double.NaN;
    }

    /** The steps so far. */
    private static final class Speed {
        private double flops;
        private double seconds;

        void add(StepMetrics step) {
            flops += step.flops();
            seconds += step.flops() / step.flopsPerSecond();
        }

        double flopsPerSecond() {
            return seconds == 0 ? 0 : flops / seconds;
        }
    }

    private static String detail(StepMetrics step, MatmulPeak peak) {
        boolean large = step.flopsPerSecond() >= 1e12;
        return String.format(java.util.Locale.ROOT, "loss %.4f  lr %.2e  %.1f %s, MFU %.1f %%  %,d MiB", step.loss(), step.lr(),
            step.flopsPerSecond() * (large ? 1e-12 : 1e-9), large ? "TFLOP/s" : "GFLOP/s", 100 * step.flopsPerSecond() / peak.flopsPerSecond(),
            step.memoryBytes() >> 20);
    }

    private static void copyTree(Path from, Path to) throws IOException {
        if (Files.isDirectory(from)) {
            Files.createDirectory(to);
            try (java.util.stream.Stream<Path> files = Files.list(from)) {
                for (Path file : files.toList()) {
                    Files.copy(file, to.resolve(file.getFileName()));
                }
            }
        }
    }

    private String memory(TrainingLoop loop) {
        java.util.StringJoiner parts = new java.util.StringJoiner(", ");
        loop.memory().parts().forEach(part -> parts.add(String.format(java.util.Locale.ROOT, "%s %,d", part.getKey(), part.getValue() >> 20)));
        return String.format(java.util.Locale.ROOT, "memory plan: %,d MiB (%s); %s", loop.memory().totalBytes() >> 20, parts,
            loop.recomputation().describe(model.config().nLayers()));
    }

    /** What decides the result: a run goes on only where all of it is the same. */
    private ObjectNode fingerprint(Split split) {
        ObjectNode json = new ObjectMapper().createObjectNode();
        putOptions(json);
        json.put("training_pairs", split.training.size()).put("evaluation_pairs", split.evaluation.size()).put("held_out", split.heldOut);
        provenance.forEach(json.putObject("provenance")::put);
        return json;
    }

    private void putOptions(ObjectNode json) {
        json.put("method", name(options.method())).put("objective", name(options.objective())).put("constraint", name(options.constraint()));
        options.targets().stream().sorted().forEach(t -> json.withArray("/targets").add(t.peftName()));
        json.put("r", options.r()).put("lora_alpha", options.alpha()).put("fill", name(options.fill())).put("penalty", options.penalty());
        json.put("reference", options.liveReference() ? "live" : "cached");
        json.put("beta", options.dpoBeta()).put("use_rslora", options.adapter().rsLora()).put("init", name(options.adapter().init())).put("use_dora", options.adapter().dora());
        options.adapter().rankPattern().forEach(json.putObject("rank_pattern")::put);
        options.adapter().alphaPattern().forEach(json.putObject("alpha_pattern")::put);
        TrainingOptions t = options.training();
        json.put("epochs", t.epochs()).put("max_steps", t.maxSteps()).put("batch_tokens", t.stepTokens()).put("micro_batch_tokens", t.microTokens());
        json.put("packing", t.packing()).put("lr", t.optimizer().lr()).put("beta1", t.optimizer().beta1()).put("beta2", t.optimizer().beta2());
        json.put("eps", t.optimizer().eps()).put("weight_decay", t.optimizer().weightDecay()).put("decay_vectors", t.more().decayVectors());
        json.put("lora_plus_ratio", t.more().loraPlusRatio()).put("ema_decay", t.more().emaDecay()).put("optimizer_8bit", t.more().in8bit());
        json.put("master", t.more().bf16Masters() ? "bf16" : "f32").put("max_grad_norm", t.maxGradNorm());
        json.put("schedule", name(t.schedule())).put("warmup", t.warmupRatio()).put("seed", t.seed());
        json.put("eval_every", t.evaluation().every()).put("patience", t.evaluation().patience()).put("keep_best", t.evaluation().keepBest());
        json.put("compute_dtype", model.computeDtype().name());
    }

    private ObjectNode description(AlignResult result, PersistentRun.Outcome outcome, long graphLaunches) {
        ObjectNode json = new ObjectMapper().createObjectNode();
        putOptions(json);
        json.put("trainable_parameters", result.trainable()).put("steps", result.steps()).put("loss_before", result.lossBefore());
        json.put("loss_after", result.lossAfter()).put("parameters_of_step", outcome.parametersOfStep());
        json.put("evaluation_pairs", result.evalPairs()).put("held_out", result.heldOut());
        json.put("flops_per_s", result.flopsPerSecond()).put("mfu", result.utilisation());
        json.put("peak_flops_per_s", result.peak().flopsPerSecond()).put("peak", result.peak().source()).put("graph_launches", graphLaunches);
        provenance.forEach(json.putObject("provenance")::put);
        return json;
    }

    private static String name(Enum<?> value) {
        return value.name().toLowerCase(java.util.Locale.ROOT);
    }
}
