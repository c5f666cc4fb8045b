package io.sails4j.run;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.adaptation.Adaptation;
import io.sails4j.adaptation.AdapterInitialiser;
import io.sails4j.adaptation.OpenAdaptation;
import io.sails4j.align.AlignOptions;
import io.sails4j.align.Method;
import io.sails4j.config.ModelConfig;
import io.sails4j.data.Progress;
import io.sails4j.data.TokenPair;
import io.sails4j.files.AtomicFiles;
import io.sails4j.loop.StepMetrics;
import io.sails4j.loop.TrainingLoop;
import io.sails4j.model.CausalModel;
import io.sails4j.model.MemoryPlan;
import io.sails4j.model.TrainedShape;
import io.sails4j.ops.Graphs;
import io.sails4j.ops.MatmulPeak;
import io.sails4j.options.Options;
import io.sails4j.persistence.Evaluator;
import io.sails4j.persistence.OutputClaim;
import io.sails4j.persistence.PersistentRun;
import io.sails4j.persistence.RunSummary;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.tensor.HostMemory;
import io.sails4j.train.PolicyTask;
import io.sails4j.train.RunControl;
import io.sails4j.train.RunOrigin;
import io.sails4j.train.StoppedException;
import io.sails4j.train.TrainingOptions;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.StringJoiner;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Trains an adapter (or the whole model) and writes it. {@code OUT} appears only when it is complete; while the run goes on, its metrics
 * and checkpoints are in {@code OUT.partial}.
 */
public final class AlignRun {
    private static final System.Logger LOG = System.getLogger("io.sails4j.align");

    private final CausalModel model;
    private final Path modelPath;
    private final AlignOptions options;
    private final Adaptation adaptation;
    private final RunOrigin origin;
    private final System.Logger.Level level;

    /**
     * A run that is not started yet.
     *
     * @param model for {@code full} loaded writable
     * @param modelPath goes into the adapter as its base
     * @param subspace needed by {@code sails}, of no use to other methods
     * @param origin what the run is made from, written beside the result
     */
    public AlignRun(CausalModel model, Path modelPath, AlignOptions options, @Nullable SafetySubspace subspace, RunOrigin origin) {
        this(model, modelPath, options, adaptation(options, subspace), origin, System.Logger.Level.INFO);
    }

    private AlignRun(CausalModel model, Path modelPath, AlignOptions options, Adaptation adaptation, RunOrigin origin,
        System.Logger.Level level) {
        this.model = model;
        this.modelPath = modelPath;
        this.options = options;
        this.adaptation = adaptation;
        this.origin = origin;
        this.level = level;
    }

    private static Adaptation adaptation(AlignOptions options, @Nullable SafetySubspace subspace) {
        if (options.method() == Method.SAILS) {
            AdapterInitialiser.needed(subspace);
        }
        return Adaptation.of(options, subspace);
    }

    /** The same run, which logs its plan at debug level: one of many that are alike. */
    public AlignRun quiet() {
        return new AlignRun(model, modelPath, options, adaptation, origin, System.Logger.Level.DEBUG);
    }

    /**
     * What would be trained of such a model, without a device.
     *
     * @param subspace null where it is not known yet: then as many dimensions as ranks are counted
     */
    public static TrainedShape shape(AlignOptions options, @Nullable SafetySubspace subspace, ModelConfig config) {
        return Adaptation.of(options, subspace).shape(config);
    }

    /** Trains and writes {@code out}, a run that nothing stops. */
    public AlignResult run(List<TokenPair> pairs, Path out, Progress progress) {
        return run(pairs, out, progress, RunControl.plain());
    }

    /**
     * Trains and writes {@code out}; docs/training.md tells what happens when the run is stopped, killed or goes on.
     *
     * @throws StoppedException where {@code control} asked the run to stop
     */
    public AlignResult run(List<TokenPair> pairs, Path out, Progress progress, RunControl control) {
        TokenPair.requirePositions(pairs, model.config());
        return run(Lessons.ofPairs(options, pairs), out, progress, control);
    }

    /**
     * The same with an objective that samples answers: learns from their rewards.
     *
     * @throws StoppedException where {@code control} asked the run to stop
     */
    public AlignResult run(PolicyTask task, Path out, Progress progress, RunControl control) {
        return run(Lessons.ofTask(options, task, model.config()), out, progress, control);
    }

    private AlignResult run(Lessons lessons, Path out, Progress progress, RunControl control) {
        requireRoom();
        try (OutputClaim _ = OutputClaim.of(out); OpenAdaptation open = adaptation.open(model, modelPath)) {
            return train(open, lessons, out, progress, control);
        }
    }

    /** What is trained must fit into the machine with its gradients and the optimizer's state: that is known before any of it is made. */
    private void requireRoom() {
        long available = HostMemory.availableBytes();
        long needed = MemoryPlan.trainableBytes(model.config(), model.computeDtype(),
            TrainingLoop.trained(adaptation.shape(model.config()), options.training().optimizer()));
        if (model.engine().device().usesHostMemory() && needed > available) {
            throw new InputException(String.format(Locale.ROOT,
                "what is trained needs %,d MiB with its gradients and the optimizer's state, and this machine has %,d MiB left: ",
                needed >> 20,
                available >> 20)
                + (options.method() == Method.FULL ? "use optimizer_8bit=true, master=bf16, or method=lora" : "lower r="
                    + options.adapter().r() + ", or name fewer targets"));
        }
    }

    private AlignResult train(OpenAdaptation open, Lessons lessons, Path out, Progress progress, RunControl control) {
        long start = System.nanoTime();
        Path partial = OutputClaim.partialOf(out);
        TrainingOptions training = options.training();
        try (TrainingLoop loop = new TrainingLoop(model, open.trainable(), lessons.training(), training, open.hook(), System::nanoTime);
             Evaluator evaluator = new Evaluator(loop.session(), open.trainable(), lessons.evaluation(),
                 training.batching().microBatchTokens(), training.batching().packing());
             PersistentRun run = new PersistentRun(loop, open.trainable(), evaluator, options.run(), fingerprint(lessons),
                 model.engine().device().describe(), partial, control)) {
            LOG.log(level, memory(loop));
            LOG.log(level,
                loop.usesGraphs() ? "graphs: on, passes of a shape that comes again are recorded and launched as one"
                    : "graphs: off" + (training.execution().graphs() == Graphs.OFF ? "" : ", the backend records none"));
            MatmulPeak peak = control.peak() != null ? control.peak() : MatmulPeak.measure(model.engine(), model.computeDtype());
            Speed speed = new Speed();
            PersistentRun.Outcome outcome = run.run(peak, step -> {
                speed.add(step);
                progress.update(step.step(), step.totalSteps(), step.totalTokens(), detail(step, peak));
            });
            AlignResult result = new AlignResult(options.objective().objective(), open.trainable().count(), loop.steps(),
                loop.totalTokens(),
                (System.nanoTime() - start) * 1e-9,
                outcome.before().loss(), outcome.after().loss(), lessons.evaluated(), lessons.heldOut(), open.shareInside(),
                speed.flopsPerSecond(), peak, out);
            try {
                AtomicFiles.writeDirectory(out, directory -> {
                    open.writeInto(directory);
                    if (Files.exists(run.metrics())) {
                        Files.copy(run.metrics(), directory.resolve("metrics.jsonl"));
                        new RunSummary(run.metrics(), training.batching().epochs(), options.run(), loop.plan().steps().size())
                            .write(directory);
                    }
                    copyTree(run.boardDirectory(), directory.resolve("tensorboard"));
                    AtomicFiles.writeJson(directory.resolve("sails_run.json"),
                        description(lessons, result, outcome, loop.graphLaunches()));
                });
            } catch (UncheckedIOException e) {
                throw new UncheckedIOException(e.getMessage() + "; " + (run.hasCheckpoint() ? "nothing is lost: " : "") + run.standing()
                    + (run.hasCheckpoint() ? ", make room and run the same with resume=true" : ", the trained parameters are lost"),
                    e.getCause());
            }
            run.discard();
            return result;
        }
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
        String what = step.policy() == null ? String.format(Locale.ROOT, "loss %.4f", step.loss())
            : String.format(Locale.ROOT, "reward %.3f  KL %.3f  %.0f tokens", step.policy().reward(), step.policy().kl(),
                step.policy().answerTokens());
        return what + String.format(Locale.ROOT, "  lr %.2e  %.1f %s, MFU %.1f %%  %,d MiB", step.lr(),
            step.flopsPerSecond() * (large ? 1e-12 : 1e-9), large ? "TFLOP/s" : "GFLOP/s",
            100 * step.flopsPerSecond() / peak.flopsPerSecond(),
            step.memoryBytes() >> 20);
    }

    private static void copyTree(Path from, Path to) throws IOException {
        if (Files.isDirectory(from)) {
            Files.createDirectory(to);
            try (Stream<Path> files = Files.list(from)) {
                for (Path file : files.toList()) {
                    Files.copy(file, to.resolve(file.getFileName()));
                }
            }
        }
    }

    private String memory(TrainingLoop loop) {
        StringJoiner parts = new StringJoiner(", ");
        loop.memory().parts().forEach(part -> parts.add(String.format(Locale.ROOT, "%s %,d", part.getKey(), part.getValue() >> 20)));
        return String.format(Locale.ROOT, "memory plan: %,d MiB (%s); %s", loop.memory().totalBytes() >> 20, parts,
            loop.recomputation().describe(model.config().nLayers()));
    }

    /** What decides the result: a run goes on only where all of it is the same. */
    private ObjectNode fingerprint(Lessons lessons) {
        ObjectNode json = Options.deciding(options);
        json.put("compute_dtype", model.computeDtype().name());
        lessons.identify(json);
        origin.identify(json);
        return json;
    }

    private ObjectNode description(Lessons lessons, AlignResult result, PersistentRun.Outcome outcome, long graphLaunches) {
        ObjectNode json = Options.json(options);
        json.put("compute_dtype", model.computeDtype().name());
        json.put("trainable_parameters", result.trainable()).put("steps", result.steps()).put("loss_before", result.lossBefore());
        json.put("loss_after", result.lossAfter()).put("parameters_of_step", outcome.parametersOfStep());
        if (result.objective().samplesAnswers()) {
            json.put("reward_before", -result.lossBefore()).put("reward_after", -result.lossAfter());
        }
        lessons.describe(json);
        json.put("flops_per_s", result.flopsPerSecond()).put("mfu", result.utilisation());
        json.put("peak_flops_per_s", result.peak().flopsPerSecond()).put("peak", result.peak().source()).put("graph_launches",
            graphLaunches);
        if (!Double.isNaN(result.shareInside())) {
            json.put("share_inside", result.shareInside());
        }
        origin.describe(json);
        return json;
    }
}
