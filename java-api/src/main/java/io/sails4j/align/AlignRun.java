package io.sails4j.align;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.data.Progress;
import io.sails4j.data.TokenPair;
import io.sails4j.io.AtomicFiles;
import io.sails4j.io.InputException;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.model.CausalModel;
import io.sails4j.train.DpoLoss;
import io.sails4j.train.FullTrainable;
import io.sails4j.train.LoraTrainable;
import io.sails4j.train.Loss;
import io.sails4j.train.LossContext;
import io.sails4j.train.SftLoss;
import io.sails4j.train.StepHook;
import io.sails4j.train.StepMetrics;
import io.sails4j.train.Trainable;
import io.sails4j.train.TrainingLoop;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Trains an adapter (or the whole model) and writes it. {@code OUT} appears only when it is complete; while the run goes on, its metrics
 * are in {@code OUT.partial/metrics.jsonl}, which the next run to the same place starts anew.
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
        AtomicFiles.requireFresh(out);
        boolean heldOut = pairs.size() >= HELD_OUT_SHARE * options.evalPairs();
        int nEval = Math.min(options.evalPairs(), pairs.size());
        List<TokenPair> evaluation = pairs.subList(pairs.size() - nEval, pairs.size());
        List<TokenPair> training = heldOut ? pairs.subList(0, pairs.size() - nEval) : pairs;
        return switch (options.method()) {
            case FULL -> {
                try (FullTrainable trainable = new FullTrainable(model)) {
                    yield train(trainable, StepHook.none(), training, evaluation, heldOut, out, progress,
                        this::writeCheckpoint);
                }
            }
            case LORA -> {
                try (LoraAdapter adapter = AdapterInitialiser.plain(model.config(), options, modelPath.toString(), model.engine().device());
                     LoraTrainable trainable = new LoraTrainable(adapter, model.engine().device())) {
                    yield train(trainable, StepHook.none(), training, evaluation, heldOut, out, progress, adapter::writeInto);
                }
            }
            case SAILS -> {
                SafetySubspace space = java.util.Objects.requireNonNull(subspace);
                try (LoraAdapter adapter = AdapterInitialiser.inSubspace(space, model.config(), options, modelPath.toString(),
                        model.engine().device());
                     LoraTrainable trainable = new LoraTrainable(adapter, model.engine().device());
                     SubspaceHook hook = new SubspaceHook(space, trainable, options, model.engine())) {
                    yield train(trainable, hook, training, evaluation, heldOut, out, progress, directory -> {
                        adapter.writeInto(directory);
                        space.write(directory.resolve("subspace.safetensors"));
                    });
                }
            }
        };
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

    private Loss loss(List<TokenPair> pairs) {
        return switch (options.objective()) {
            case SFT -> new SftLoss(pairs.stream().map(TokenPair::aligned).toList());
            case DPO -> new DpoLoss(pairs, options.dpoBeta());
        };
    }

    private AlignResult train(Trainable trainable, StepHook hook, List<TokenPair> training, List<TokenPair> evaluation, boolean heldOut, Path out,
                              Progress progress, AtomicFiles.DirectoryWriter weights) {
        long start = System.nanoTime();
        Loss evalLoss = loss(evaluation);
        int[] all = IntStream.range(0, evalLoss.size()).toArray();
        Path partial = out.resolveSibling(out.getFileName() + ".partial");
        try (LossContext context = LossContext.of(model); MetricsFile metrics = new MetricsFile(partial.resolve("metrics.jsonl"))) {
            evalLoss.prepare(context, all, options.training().microTokens());
            double before = evalLoss.mean(context, trainable.adapters(), all, options.training().microTokens());
            metrics.evaluation("before", before);
            TrainingLoop loop = new TrainingLoop(model, trainable, loss(training), options.training(), hook, System::nanoTime);
            StepMetrics last = loop.run(step -> {
                metrics.step(step);
                progress.update(step.step(), step.totalSteps(), step.totalTokens());
            });
            double after = evalLoss.mean(context, trainable.adapters(), all, options.training().microTokens());
            metrics.evaluation("after", after);
            AlignResult result = new AlignResult(trainable.count(), last.step(), last.totalTokens(), (System.nanoTime() - start) * 1e-9, before,
                after, all.length, heldOut, last.shareInside(), out);
            metrics.flush();
            AtomicFiles.writeDirectory(out, directory -> {
                weights.write(directory);
                Files.copy(partial.resolve("metrics.jsonl"), directory.resolve("metrics.jsonl"));
                AtomicFiles.writeJson(directory.resolve("sails_run.json"), description(result));
            });
            removePartial(partial);
            return result;
        }
    }

    private static void removePartial(Path partial) {
        try {
            Files.deleteIfExists(partial.resolve("metrics.jsonl"));
            Files.deleteIfExists(partial);
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private ObjectNode description(AlignResult result) {
        ObjectNode json = new ObjectMapper().createObjectNode();
        json.put("method", name(options.method())).put("objective", name(options.objective())).put("constraint", name(options.constraint()));
        options.targets().stream().sorted().forEach(t -> json.withArray("/targets").add(t.peftName()));
        json.put("r", options.r()).put("lora_alpha", options.alpha()).put("fill", name(options.fill())).put("penalty", options.penalty());
        json.put("epochs", options.training().epochs()).put("batch_tokens", options.training().stepTokens());
        json.put("lr", options.training().optimizer().lr()).put("seed", options.training().seed());
        json.put("compute_dtype", model.computeDtype().name()).put("trainable_parameters", result.trainable());
        json.put("steps", result.steps()).put("loss_before", result.lossBefore()).put("loss_after", result.lossAfter());
        json.put("evaluation_pairs", result.evalPairs()).put("held_out", result.heldOut());
        provenance.forEach(json.putObject("provenance")::put);
        return json;
    }

    private static String name(Enum<?> value) {
        return value.name().toLowerCase(java.util.Locale.ROOT);
    }
}
