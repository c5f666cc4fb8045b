package io.sails4j.persistence;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.files.AtomicFiles;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.loop.StepMetrics;
import io.sails4j.loop.TrainingLoop;
import io.sails4j.objective.ReferenceCache;
import io.sails4j.ops.MatmulPeak;
import io.sails4j.tensor.HostTensor;
import io.sails4j.train.EvaluationOptions;
import io.sails4j.train.RunControl;
import io.sails4j.train.RunOptions;
import io.sails4j.train.StoppedException;
import io.sails4j.train.TrainingException;
import io.sails4j.trainable.Trainable;
import io.sails4j.watch.PhaseEvent;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A training run with its state on disk, in {@code OUT.partial}: {@code metrics.jsonl}, {@code checkpoints/} and, where the best parameters
 * are kept, {@code best/}. Killed at any instant it goes on from its newest checkpoint and ends with the same bits. Asked to stop, it
 * writes a checkpoint first.
 * A checkpoint that cannot be written is said and does not stop the run; the last good one stands.
 */
public final class PersistentRun implements AutoCloseable {
    private static final String BEST = "best";

    private final TrainingLoop loop;
    private final Trainable trainable;
    private final Evaluator evaluator;
    private final RunOptions options;
    private final ObjectNode fingerprint;
    private final String device;
    private final Path partial;
    private final RunControl control;
    private final CheckpointStore store;
    private @Nullable RunWatch watch;
    /** The newest checkpoint that stands, -1 = none. */
    private long savedStep = -1;
    private double lossBefore = Double.NaN;
    private double bestLoss = Double.POSITIVE_INFINITY;
    private long bestStep = -1;
    private int worse;

    /**
     * @param fingerprint everything that a resumed run must agree in
     * @param device what it runs on; another one may round otherwise, which is said
     */
    public PersistentRun(TrainingLoop loop, Trainable trainable, Evaluator evaluator, RunOptions options, ObjectNode fingerprint,
        String device, Path partial,
        RunControl control) {
        this.loop = loop;
        this.trainable = trainable;
        this.evaluator = evaluator;
        this.options = options;
        this.fingerprint = fingerprint;
        this.device = device;
        this.partial = partial;
        this.control = control;
        this.store = new CheckpointStore(partial.resolve("checkpoints"), options.checkpoints().keepCheckpoints());
    }

    /**
     * What the run came to.
     *
     * @param parametersOfStep the step whose parameters the model has now
     */
    public record Outcome(Evaluation before, Evaluation after, long parametersOfStep) {
    }

    /** Runs to the end; the trainable then holds the result. */
    public Outcome run(MatmulPeak peak, Consumer<StepMetrics> listener) {
        Optional<CheckpointStore.Stored> from = store.toGoOnFrom(partial, control.resume(), fingerprint, device);
        evaluator.prepare();
        Evaluation before = from.isEmpty() ? evaluator.evaluate() : Evaluation.ofLoss(from.get().run().path("loss_before").asDouble());
        lossBefore = before.loss();
        try {
            loop.prepare(new ReferenceCache(partial.resolve("reference_logps.safetensors")), from.isPresent());
        } catch (UncheckedIOException e) {
            Log.warning(e.getMessage() + "; the run goes on, one that resumes it computes the reference again");
        }
        from.ifPresent(this::restore);
        RunWatch watching = new RunWatch(from.isEmpty() ? MetricsFile.create(metrics()) : MetricsFile.resume(metrics(), loop.steps()),
            boardDirectory(), peak);
        watch = watching;
        if (from.isEmpty()) {
            watching.evaluation("before", 0, before);
        }
        while (!loop.finished() && !outOfPatience()) {
            StepMetrics step = nextStep();
            if (step == null) {
                save();
                String sentence = "stopped after step " + loop.steps() + " of " + loop.plan().steps().size() + "; " + standing()
                    + "; the same run with resume=true goes on";
                Log.info(sentence);
                throw new StoppedException(sentence);
            }
            watching.step(step);
            listener.accept(step);
            evaluateIfDue();
            if (options.checkpoints().checkpointEvery() > 0 && loop.steps() % options.checkpoints().checkpointEvery() == 0) {
                save();
            }
        }
        save();
        return finish(before);
    }

    private @Nullable StepMetrics nextStep() {
        try {
            return loop.step(control.stop());
        } catch (TrainingException e) {
            throw new TrainingException(e.getMessage() + "; " + standing());
        } catch (InputException e) {
            // A judge that fails, for example: what was trained until then is sound.
            save();
            throw new InputException(e.getMessage() + "; " + standing(), e);
        }
    }

    /** Whether there is a state to go on from. */
    public boolean hasCheckpoint() {
        return savedStep >= 0;
    }

    /** Where the last good state is. */
    public String standing() {
        return CheckpointStore.standing(savedStep, partial);
    }

    public Path metrics() {
        return partial.resolve("metrics.jsonl");
    }

    public Path boardDirectory() {
        return partial.resolve("tensorboard");
    }

    // ---------------------------------------------------------------- evaluation

    private void evaluateIfDue() {
        EvaluationOptions evaluation = options.evaluation();
        if (evaluation.evalEvery() == 0 || loop.steps() % evaluation.evalEvery() != 0) {
            return;
        }
        Evaluation now;
        try (PhaseEvent _ = PhaseEvent.begin("evaluation", loop.steps())) {
            now = evaluator.evaluate();
        }
        Objects.requireNonNull(watch).evaluation("step", loop.steps(), now);
        worse = now.loss() < bestLoss ? 0 : worse + 1;
        if (now.loss() < bestLoss) {
            bestLoss = now.loss();
            bestStep = loop.steps();
            if (evaluation.keepBest()) {
                writeBest();
            }
        }
    }

    private boolean outOfPatience() {
        return options.evaluation().patience() > 0 && worse >= options.evaluation().patience();
    }

    private Path bestFile() {
        return partial.resolve(BEST).resolve("parameters.safetensors");
    }

    private void writeBest() {
        SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
        trainable.parameters().forEach(p -> tensors.put(p.name(), p.value().toHost()));
        SafetensorsWriter.write(bestFile(), tensors, Map.of("step", String.valueOf(bestStep)));
    }

    private Outcome finish(Evaluation before) {
        long parametersOfStep = loop.steps();
        if (options.evaluation().keepBest() && bestStep >= 0) {
            try (SafetensorsFile best = SafetensorsFile.open(bestFile())) {
                for (Trainable.Parameter p : trainable.parameters()) {
                    p.value().upload(best.tensor(p.name()).data());
                }
            }
            trainable.publish();
            parametersOfStep = bestStep;
        } else {
            loop.finish();
        }
        Evaluation after = evaluator.evaluate();
        RunWatch watching = Objects.requireNonNull(watch);
        watching.evaluation("after", loop.steps(), after);
        watching.close();
        return new Outcome(before, after, parametersOfStep);
    }

    // ---------------------------------------------------------------- checkpoints

    /** A disk that is full does not end a night's work: the run goes on and tries again at the next checkpoint. */
    private void save() {
        if (savedStep == loop.steps()) {
            return;
        }
        ObjectNode run = new ObjectMapper().createObjectNode();
        run.set("fingerprint", fingerprint);
        run.put("device", device);
        run.setAll(loop.counters());
        run.put("loss_before", lossBefore).put("best_step", bestStep).put("worse", worse);
        if (bestStep >= 0) {
            run.put("best_loss", bestLoss);
        }
        try (PhaseEvent _ = PhaseEvent.begin("checkpoint", loop.steps())) {
            store.write(loop.steps(), loop.state(), run);
            savedStep = loop.steps();
        } catch (UncheckedIOException e) {
            Log.warning("checkpoint of step " + loop.steps() + ": " + e.getMessage() + "; " + standing());
        }
    }

    private void restore(CheckpointStore.Stored stored) {
        try (SafetensorsFile state = stored.open()) {
            loop.restore(state, stored.run());
        }
        savedStep = stored.step();
        bestStep = stored.run().path("best_step").asLong(-1);
        bestLoss = stored.run().path("best_loss").asDouble(Double.POSITIVE_INFINITY);
        worse = stored.run().path("worse").asInt();
    }

    /** The result stands: nothing of this is needed any more. */
    public void discard() {
        AtomicFiles.deleteTree(partial);
    }

    @Override
    public void close() {
        if (watch != null) {
            watch.close();
        }
    }
}
