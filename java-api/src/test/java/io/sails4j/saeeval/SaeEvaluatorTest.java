package io.sails4j.saeeval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sails4j.InputException;
import io.sails4j.files.AtomicFiles;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.ops.Engine;
import io.sails4j.sae.Sae;
import io.sails4j.saetrain.ActivationSource;
import io.sails4j.saetrain.StoredActivations;
import io.sails4j.tensor.HostTensor;
import io.sails4j.testing.Backends;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SequencedMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Measures of a small autoencoder that can be told by hand. */
class SaeEvaluatorTest {
    @TempDir
    private Path directory;

    /** ReLU, d_in 2: features of the axes, of the first axis again, and one that never fires. */
    private Path sae() throws IOException {
        Path path = Files.createDirectories(directory.resolve("sae"));
        AtomicFiles.writeString(path.resolve("cfg.json"), "{\"d_in\": 2, \"d_sae\": 4, \"architecture\": \"standard\"}");
        SequencedMap<String, HostTensor> arrays = new LinkedHashMap<>();
        arrays.put("W_enc", HostTensor.ofFloats(new float[] {1, 0, 0, 0, 0, 1, 0, 0}, 2, 4));
        arrays.put("b_enc", HostTensor.ofFloats(new float[] {0, 0, -5, -100}, 4));
        arrays.put("W_dec", HostTensor.ofFloats(new float[] {1, 0, 0, 0.5f, 2, 0.01f, 1, 1}, 4, 2));
        arrays.put("b_dec", HostTensor.ofFloats(new float[] {0, 0}, 2));
        SafetensorsWriter.write(path.resolve("sae_weights.safetensors"), arrays, Map.of());
        return path;
    }

    private String vectors(String name, float[] x, int d) {
        Path path = directory.resolve(name + ".safetensors");
        SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
        tensors.put(name, HostTensor.ofFloats(x, x.length / d, d));
        SafetensorsWriter.write(path, tensors, Map.of());
        return path.toString();
    }

    @Test
    void countsWhatCanBeCountedByHand() throws IOException {
        // (3, 0) is kept; of (0, 4) half is missed; (-1, 0) becomes 0.
        String x = vectors("x", new float[] {3, 0, 0, 4, -1, 0}, 2);
        String known = vectors("known", new float[] {5, 0, 0, 1, -1, 0}, 2);
        try (Engine engine = Backends.open("cpu", 1); Sae sae = Sae.load(sae(), engine);
             StoredActivations vectors = StoredActivations.open(x, ActivationSource.NO_LAYER, 1);
             StoredActivations features = StoredActivations.open(known, ActivationSource.NO_LAYER, 0);
             StoredActivations wide = StoredActivations.open(vectors("wide", new float[3], 3), ActivationSource.NO_LAYER, 0)) {
            SaeEvaluator evaluator = new SaeEvaluator(engine, sae, SaeEvalOptions.defaults().with(o -> o.denseFrequency = 0.3));
            SaeEvaluation found = evaluator.of(vectors, features, null);
            ReconstructionMeasures r = found.reconstruction();
            assertThat(r.l0()).isCloseTo(2.0 / 3, within(1e-6));
            assertThat(r.mse()).isCloseTo((4 + 1) / 6.0, within(1e-6));
            // The mean is (2/3, 4/3).
            double deviations = 26 - 3 * (4.0 / 9 + 16.0 / 9);
            assertThat(r.fvu()).isCloseTo(5 / deviations, within(1e-6));
            assertThat(r.cosine()).isCloseTo(2.0 / 3, within(1e-6));
            assertThat(r.dead()).isEqualTo(2);
            assertThat(r.dense()).isEqualTo(2);
            assertThat(found.duplicates()).isEqualTo(2);
            assertThat(found.known()).isEqualTo(new KnownFeatureMeasures(3, found.known().meanMaxCosine(), 2.0 / 3));
            assertThat(found.known().meanMaxCosine()).isCloseTo(2.0 / 3, within(1e-4));
            assertThatThrownBy(() -> evaluator.of(wide, null, null)).isInstanceOf(InputException.class).hasMessageContaining("of length 3");
        }
    }

    @Test
    void probesFindTheFeatureThatTellsTheSides() {
        Random random = new Random(1);
        List<SideProbe.Text> texts = new ArrayList<>();
        for (int pair = 0; pair < 60; pair++) {
            for (boolean side : new boolean[] {true, false}) {
                float[] means = new float[20];
                for (int i = 0; i < means.length; i++) {
                    means[i] = (float) random.nextDouble();
                }
                means[7] += side ? 2 : 0;
                texts.add(new SideProbe.Text(pair, side, means));
            }
        }
        SideProbe probe = new SideProbe(texts);
        assertThat(probe.possible()).isTrue();
        ProbeMeasure one = probe.with(1);
        assertThat(one.features()).containsExactly(7);
        assertThat(one.accuracy()).isEqualTo(1);
        assertThat(one.testTexts()).isEqualTo(24);
        assertThat(probe.with(5).accuracy()).isGreaterThan(0.95);
        assertThat(new SideProbe(texts.subList(0, 4)).possible()).isFalse();
    }
}
