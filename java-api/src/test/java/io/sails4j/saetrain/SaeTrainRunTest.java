package io.sails4j.saetrain;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sails4j.InputException;
import io.sails4j.data.Progress;
import io.sails4j.files.JsonFiles;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.ops.Engine;
import io.sails4j.sae.Sae;
import io.sails4j.sae.SaeConfig;
import io.sails4j.sae.SaeMetrics;
import io.sails4j.sae.SparseCodes;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.TensorArena;
import io.sails4j.testing.Backends;
import io.sails4j.train.CheckpointOptions;
import io.sails4j.train.RunControl;
import io.sails4j.train.RunOrigin;
import io.sails4j.train.StoppedException;
import io.sails4j.train.TrainingException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Whole runs: written, loaded, gone on with, refused. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class SaeTrainRunTest {
    private static final int D = 16;

    private Path directory;
    private Engine engine;
    private KnownFeatures known;
    private Path file;

    @BeforeAll
    void open(@TempDir Path temporary) {
        directory = temporary;
        engine = Backends.open("cpu", 1);
        known = KnownFeatures.draw(32, D, 2, 4000, 5);
        file = known.write(directory.resolve("vectors.safetensors"));
    }

    @AfterAll
    void close() {
        engine.close();
    }

    private static SaeTrainOptions options(SaeKind kind, int steps) {
        return SaeTrainOptions.defaults().with(o -> {
            o.shape = new SaeShape(kind, 48, 2, PrefixWidths.NONE);
            o.batching = o.batching.with(b -> {
                b.batchTokens = 256;
                b.steps = steps;
            });
            o.optimization = o.optimization.with(s -> s.adamw = s.adamw.withLr(1e-2));
            o.sparsity = o.sparsity.with(s -> s.targetL0 = kind == SaeKind.JUMPRELU ? 2 : 0);
            o.revival = o.revival.with(r -> {
                r.deadSteps = 5;
                r.resampleEvery = 10;
            });
            o.run = o.run.with(r -> r.checkpoints = new CheckpointOptions(7, 2));
        });
    }

    private SaeTrainResult train(SaeTrainOptions options, Path out, RunControl control) {
        try (StoredActivations source = StoredActivations.open(file + ":x", 3, options.run().seed())) {
            return new SaeTrainRun(engine, options, RunOrigin.unknown(), "model").run(source, out, Progress.none(), control);
        }
    }

    @Test
    void findsKnownFeatures() {
        Path out = directory.resolve("known");
        train(options(SaeKind.TOPK, 400), out, RunControl.plain());
        try (Sae sae = Sae.load(out, engine)) {
            assertThat(known.meanMaxCosine(sae.wDec().toFloatArray())).isGreaterThan(0.95);
        }
    }

    @ParameterizedTest
    @EnumSource(SaeKind.class)
    void isReadAsItWasTrained(SaeKind kind) {
        Path out = directory.resolve("written-" + kind);
        SaeTrainResult result = train(options(kind, 60), out, RunControl.plain());
        try (Sae sae = Sae.load(out, engine); TensorArena memory = new TensorArena(engine.device())) {
            sae.requireLayer(3);
            assertThat(sae.config().architecture()).isEqualTo(switch (kind) {
                case TOPK -> SaeConfig.Architecture.TOPK;
                case JUMPRELU, BATCHTOPK -> SaeConfig.Architecture.JUMPRELU;
                case GATED -> SaeConfig.Architecture.GATED;
                case STANDARD -> SaeConfig.Architecture.STANDARD;
            });
            SparseCodes codes = sae.encode(memory.of(known.vectors(), known.vectors().length / D, D), memory);
            SaeMetrics metrics = SaeMetrics.of(known.vectors(), sae.decode(codes, memory).toFloatArray(), D, codes.l0());
            SaeLosses last = result.autoencoders().getFirst().last();
            // Training still moves: the means of its last batches are near what the written one gives on all vectors.
            assertThat(metrics.fvu()).isCloseTo(last.fvu(), within(0.35 * last.fvu() + 0.05));
            for (float[] row : rows(sae.wDec().toFloatArray())) {
                double squares = 0;
                for (float w : row) {
                    squares += (double) w * w;
                }
                assertThat(squares).as("the length of a decoder row").isCloseTo(1, within(1e-5));
            }
        }
    }

    private static List<float[]> rows(float[] matrix) {
        List<float[]> rows = new ArrayList<>();
        for (int at = 0; at < matrix.length; at += D) {
            rows.add(Arrays.copyOfRange(matrix, at, at + D));
        }
        return rows;
    }

    /** s x through an autoencoder of s x is s times x through the folded one. */
    @Test
    void foldsTheScaleOfTheInput() {
        SaeTrainOptions options = options(SaeKind.GATED, 1);
        double scale = 2.5;
        try (SaeTrainer trainer = new SaeTrainer(engine, options, D, 1); TensorArena memory = new TensorArena(engine.device())) {
            trainer.initialize(Arrays.copyOf(known.vectors(), D), 4);
            for (String name : List.of("b_enc", "b_mag", "r_mag")) {
                float[] values = new float[48];
                for (int i = 0; i < 48; i++) {
                    values[i] = (float) Math.sin(i + name.length());
                }
                trainer.parameters().value(name).upload(values);
            }
            Path folded = write(trainer, options, scale, "folded");
            Path plain = write(trainer, options, 1, "plain");
            float[] x = Arrays.copyOf(known.vectors(), 50 * D);
            float[] scaled = new float[x.length];
            for (int i = 0; i < x.length; i++) {
                scaled[i] = (float) (scale * x[i]);
            }
            try (Sae a = Sae.load(folded, engine); Sae b = Sae.load(plain, engine)) {
                float[] ofFolded = a.decode(a.encode(memory.of(x, 50, D), memory), memory).toFloatArray();
                float[] ofPlain = b.decode(b.encode(memory.of(scaled, 50, D), memory), memory).toFloatArray();
                for (int i = 0; i < ofPlain.length; i++) {
                    assertThat(scale * ofFolded[i]).isCloseTo(ofPlain[i], within(1e-4));
                }
            }
        }
    }

    private Path write(SaeTrainer trainer, SaeTrainOptions options, double scale, String name) {
        Path out = directory.resolve(name);
        try (TensorArena memory = new TensorArena(engine.device())) {
            Files.createDirectories(out);
            new SaeLensWriter(options.shape(), D, scale).write(out, trainer.parameters(), Standard.norms(engine, trainer.parameters(),
                memory), 0, ActivationSource.NO_LAYER, null);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return out;
    }

    @ParameterizedTest
    @EnumSource(value = SaeKind.class, names = {"BATCHTOPK", "JUMPRELU"})
    void goesOnWithTheSameBits(SaeKind kind) throws IOException {
        SaeTrainOptions options = options(kind, 30);
        Path whole = directory.resolve("whole-" + kind);
        Path parts = directory.resolve("parts-" + kind);
        train(options, whole, RunControl.plain());
        AtomicInteger asked = new AtomicInteger();
        assertThatThrownBy(() -> train(options, parts, new RunControl(false, () -> asked.incrementAndGet() > 17)))
            .isInstanceOf(StoppedException.class).hasMessageContaining("stopped after step 17 of 30");
        assertThatThrownBy(() -> train(options.with(o -> o.shape = o.shape.with(s -> s.k = 3)), parts, new RunControl(true, () -> false)))
            .isInstanceOf(InputException.class).hasMessageContaining("k was 2 and is now 3");
        train(options, parts, new RunControl(true, () -> false));
        assertThat(parts.resolve("sae_weights.safetensors")).hasSameBinaryContentAs(whole.resolve("sae_weights.safetensors"));
        assertThat(JsonFiles.read(parts.resolve("sails_run.json"))).isEqualTo(JsonFiles.read(whole.resolve("sails_run.json")));
        assertThat(Files.readAllLines(parts.resolve("metrics.jsonl"))).hasSize(30);
    }

    @Test
    void refusesWhatNothingCanBeLearnedFrom() {
        assertThatThrownBy(() -> onVectors("constant", new float[40 * D], 40)).isInstanceOf(InputException.class)
            .hasMessageContaining("do not vary").hasMessageContaining("constant.safetensors:x");
        assertThatThrownBy(() -> onVectors("empty", new float[0], 0)).isInstanceOf(InputException.class)
            .hasMessageContaining("there is no vector in it");
        float[] broken = Arrays.copyOf(known.vectors(), 40 * D);
        broken[3 * D + 5] = Float.NaN;
        assertThatThrownBy(() -> onVectors("broken", broken, 40)).isInstanceOf(InputException.class)
            .hasMessageContaining("element 5 is NaN");
        assertThatThrownBy(() -> StoredActivations.open(file.toString(), 0, 0)).isInstanceOf(InputException.class)
            .hasMessageContaining("2 floating-point tensors; name one");
        assertThatThrownBy(() -> new SaeShape(SaeKind.TOPK, 8, 9, PrefixWidths.NONE)).isInstanceOf(InputException.class)
            .hasMessageContaining("k is 9, expected at most the width, 8");
    }

    private void onVectors(String name, float[] x, int n) {
        SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
        tensors.put("x", HostTensor.ofFloats(x, n, D));
        Path path = directory.resolve(name + ".safetensors");
        SafetensorsWriter.write(path, tensors, Map.of());
        try (StoredActivations source = StoredActivations.open(path.toString(), ActivationSource.NO_LAYER, 0)) {
            new SaeTrainRun(engine, options(SaeKind.TOPK, 5), RunOrigin.unknown(), null).run(source, directory.resolve(name + "-out"),
                Progress.none(), RunControl.plain());
        }
    }

    @Test
    void stopsWhereItDiverges() {
        SaeTrainOptions options = options(SaeKind.STANDARD, 40).with(o -> {
            o.optimization = new SaeOptimization(o.optimization.adamw().withLr(100), 0, 0, 0);
            o.run = new SaeRunOptions(0, new CheckpointOptions(1, 1));
        });
        assertThatThrownBy(() -> train(options, directory.resolve("diverges"), RunControl.plain())).isInstanceOf(TrainingException.class)
            .hasMessageContaining("training diverges").hasMessageContaining("in step ")
            .hasMessageContaining("the last good checkpoint is that of step 1 ");
    }
}
