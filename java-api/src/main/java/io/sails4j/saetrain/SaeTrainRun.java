package io.sails4j.saetrain;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.data.Progress;
import io.sails4j.files.AtomicFiles;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.ops.Engine;
import io.sails4j.options.Options;
import io.sails4j.persistence.CheckpointStore;
import io.sails4j.persistence.MetricsFile;
import io.sails4j.persistence.OutputClaim;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.TensorArena;
import io.sails4j.train.RunControl;
import io.sails4j.train.RunOrigin;
import io.sails4j.train.StoppedException;
import io.sails4j.train.TrainingException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/**
 * Trains an autoencoder for each layer of a source and writes them as SAELens directories: {@code OUT} itself for one, {@code OUT/layer_N}
 * for several, with {@code metrics.jsonl} and {@code sails_run.json} in {@code OUT}. {@code OUT} appears only when it is complete; while
 * the run goes on its state is in {@code OUT.partial}, from which a run that was killed goes on with the same bits.
 */
public final class SaeTrainRun {
    private static final System.Logger LOG = System.getLogger("io.sails4j.saetrain");
    /** Vectors from which the scale and the mean are taken. */
    private static final int SAMPLE = 1 << 15;
    /** Steps over which the last metrics are meant. */
    private static final int LAST = 50;

    private final Engine engine;
    private final SaeTrainOptions options;
    private final RunOrigin origin;
    private final @Nullable String modelName;

    /**
     * A run that is not started yet.
     *
     * @param origin what it is made from; a run goes on only from the same
     * @param modelName goes into the configuration of the autoencoders, null where no model is known
     */
    public SaeTrainRun(Engine engine, SaeTrainOptions options, RunOrigin origin, @Nullable String modelName) {
        this.engine = engine;
        this.options = options;
        this.origin = origin;
        this.modelName = modelName;
    }

    /**
     * Trains.
     *
     * @param out directory that is not there yet
     * @throws InputException where nothing can be learned from the vectors
     * @throws TrainingException where training diverges
     * @throws StoppedException where the run was asked to stop and did
     */
    public SaeTrainResult run(ActivationSource source, Path out, Progress progress, RunControl control) {
        try (OutputClaim _ = OutputClaim.of(out); Running running = new Running(source, out, progress, control)) {
            return running.run();
        }
    }

    /** One layer's training. */
    private record Layer(int number, SaeTrainer trainer, Vectors vectors, List<SaeLosses> last) {
    }

    /** The state of a run. */
    private final class Running implements AutoCloseable {
        private final ActivationSource source;
        private final Path out;
        private final Path partial;
        private final Progress progress;
        private final RunControl control;
        private final CheckpointStore store;
        private final List<Layer> layers = new ArrayList<>();
        private final ObjectNode fingerprint;
        private final long start = System.nanoTime();
        private @Nullable MetricsFile metrics;
        private long step;
        private long savedStep = -1;

        Running(ActivationSource source, Path out, Progress progress, RunControl control) {
            this.source = source;
            this.out = out;
            this.partial = OutputClaim.partialOf(out);
            this.progress = progress;
            this.control = control;
            this.store = new CheckpointStore(partial.resolve("checkpoints"), options.run().checkpoints().keepCheckpoints());
            this.fingerprint = Options.deciding(options);
            origin.identify(fingerprint);
            fingerprint.put("d_in", source.dIn()).put("layers", source.layers().toString());
            try {
                for (int layer : source.layers()) {
                    layers.add(new Layer(layer, new SaeTrainer(engine, options, source.dIn(), seed(layer)),
                        new Vectors(source.name(), source.dIn()), new ArrayList<>()));
                }
            } catch (RuntimeException | Error e) {
                close();
                throw e;
            }
        }

        private long seed(int layer) {
            return options.run().seed() * 1_000_003 + layer;
        }

        SaeTrainResult run() {
            String device = engine.device().describe();
            Optional<CheckpointStore.Stored> from = store.toGoOnFrom(partial, control.resume(), fingerprint, device);
            if (from.isEmpty()) {
                begin();
            } else {
                restore(from.get());
            }
            LOG.log(System.Logger.Level.INFO, String.format(Locale.ROOT, "memory: %,d MiB on the device, %,d MiB of vectors on the host",
                engine.device().allocatedBytes() >> 20, source.bufferBytes() >> 20));
            Path file = partial.resolve("metrics.jsonl");
            metrics = from.isEmpty() ? MetricsFile.create(file) : MetricsFile.resume(file, step);
            long every = options.run().checkpoints().checkpointEvery();
            while (step < options.batching().steps()) {
                if (control.stop().getAsBoolean()) {
                    stop(device);
                }
                trainStep();
                if (every > 0 && step % every == 0) {
                    save(device);
                }
            }
            save(device);
            return finish();
        }

        private void stop(String device) {
            save(device);
            String sentence = "stopped after step " + step + " of " + options.batching().steps() + "; " + standing()
                + "; the same run with resume=true goes on";
            LOG.log(System.Logger.Level.INFO, sentence);
            throw new StoppedException(sentence);
        }

        private String standing() {
            return CheckpointStore.standing(savedStep, partial);
        }

        private void begin() {
            float[][] samples = source.peek(SAMPLE);
            for (int l = 0; l < layers.size(); l++) {
                Layer layer = layers.get(l);
                layer.trainer.initialize(layer.vectors.measure(samples[l]), seed(layer.number));
            }
        }

        private void trainStep() {
            long began = System.nanoTime();
            int n = options.batching().batchTokens();
            float[][] batches = source.next(n);
            List<SaeLosses> found = new ArrayList<>();
            for (int l = 0; l < layers.size(); l++) {
                Layer layer = layers.get(l);
                layer.vectors.scale(batches[l]);
                try {
                    found.add(layer.trainer.step(batches[l], layer.vectors.deviations(batches[l]), step));
                } catch (TrainingException e) {
                    throw new TrainingException(e.getMessage() + "; " + standing());
                }
            }
            step++;
            double seconds = (System.nanoTime() - began) * 1e-9;
            for (int l = 0; l < layers.size(); l++) {
                List<SaeLosses> last = layers.get(l).last;
                last.add(found.get(l));
                if (last.size() > LAST) {
                    last.removeFirst();
                }
                write(layers.get(l), found.get(l), seconds);
            }
            SaeLosses shown = found.getFirst();
            progress.update(step, options.batching().steps(), step * n, String.format(Locale.ROOT, "loss %.4g  FVU %.4f  L0 %.1f  dead %d",
                shown.loss(), shown.fvu(), shown.l0(), shown.dead()));
        }

        private void write(Layer layer, SaeLosses losses, double seconds) {
            ObjectNode line = new ObjectMapper().createObjectNode().put("step", step);
            if (layer.number != ActivationSource.NO_LAYER) {
                line.put("layer", layer.number);
            }
            line.setAll(Losses.json(losses));
            double lr = options.optimization().lr(source.dIn(), options.shape().width(), step - 1, options.batching().steps());
            line.put("lr", lr).put("tokens", options.batching().batchTokens());
            line.put("tokens_per_s", options.batching().batchTokens() / seconds).put("elapsed_ms", (System.nanoTime() - start) * 1e-6);
            line.put("memory_bytes", engine.device().allocatedBytes());
            if (metrics != null) {
                metrics.line(line);
            }
        }

        // ------------------------------------------------------------ checkpoints

        private String prefix(Layer layer) {
            return "layer." + layer.number + ".";
        }

        private void save(String device) {
            if (savedStep == step) {
                return;
            }
            ObjectNode run = new ObjectMapper().createObjectNode();
            run.set("fingerprint", fingerprint);
            run.put("device", device).put("step", step);
            source.putState(run.putObject("source"));
            SequencedMap<String, HostTensor> state = new LinkedHashMap<>();
            for (Layer layer : layers) {
                layer.trainer.putState(state, prefix(layer));
                ObjectNode json = run.putObject(prefix(layer));
                json.put("input_scale", Double.doubleToLongBits(layer.vectors.scale()));
                layer.trainer.putCounters(json);
                Losses.put(json, layer.last);
            }
            try {
                store.write(step, state, run);
                savedStep = step;
            } catch (UncheckedIOException e) {
                LOG.log(System.Logger.Level.WARNING, "checkpoint of step " + step + ": " + e.getMessage() + "; " + standing());
            }
        }

        private void restore(CheckpointStore.Stored stored) {
            JsonNode run = stored.run();
            step = run.path("step").asLong();
            savedStep = step;
            source.restore(run.path("source"));
            try (SafetensorsFile state = stored.open()) {
                for (Layer layer : layers) {
                    JsonNode json = run.path(prefix(layer));
                    layer.vectors.restore(Double.longBitsToDouble(json.path("input_scale").asLong()));
                    layer.trainer.restore(state, prefix(layer), json);
                    layer.last.addAll(Losses.read(json));
                }
            }
        }

        // ------------------------------------------------------------ results

        private SaeTrainResult finish() {
            List<SaeTrainResult.Trained> trained = layers.stream().map(layer -> new SaeTrainResult.Trained(layer.number,
                Losses.mean(layer.last), layer.vectors.scale(), layers.size() == 1 ? out : out.resolve("layer_" + layer.number))).toList();
            SaeTrainResult result = new SaeTrainResult(trained, step, step * options.batching().batchTokens(),
                (System.nanoTime() - start) * 1e-9);
            if (metrics != null) {
                metrics.close();
            }
            try {
                AtomicFiles.writeDirectory(out, directory -> {
                    for (Layer layer : layers) {
                        Path into = layers.size() == 1 ? directory : Files.createDirectory(directory.resolve("layer_" + layer.number));
                        writeSae(layer, into);
                    }
                    Path lines = partial.resolve("metrics.jsonl");
                    if (Files.exists(lines)) {
                        Files.copy(lines, directory.resolve("metrics.jsonl"));
                    }
                    AtomicFiles.writeJson(directory.resolve("sails_run.json"), description(result));
                });
            } catch (UncheckedIOException e) {
                throw new UncheckedIOException(e.getMessage() + "; " + standing() + ", make room and run the same with resume=true",
                    e.getCause());
            }
            AtomicFiles.deleteTree(partial);
            return result;
        }

        private void writeSae(Layer layer, Path into) {
            try (TensorArena memory = new TensorArena(engine.device())) {
                float[] norms = Standard.norms(engine, layer.trainer.parameters(), memory);
                new SaeLensWriter(options.shape(), source.dIn(), layer.vectors.scale()).write(into, layer.trainer.parameters(), norms,
                    layer.trainer.threshold(), layer.number, modelName);
            }
        }

        private ObjectNode description(SaeTrainResult result) {
            ObjectNode json = Options.json(options);
            json.put("d_in", source.dIn()).put("source", source.name());
            result.autoencoders().forEach(trained -> {
                ObjectNode of = json.withArray("autoencoders").addObject();
                if (trained.layer() != ActivationSource.NO_LAYER) {
                    of.put("layer", trained.layer());
                }
                of.put("input_scale", trained.inputScale()).setAll(Losses.json(trained.last()));
            });
            origin.describe(json);
            return json;
        }

        @Override
        public void close() {
            layers.forEach(layer -> layer.trainer.close());
            if (metrics != null) {
                metrics.close();
            }
        }
    }
}
