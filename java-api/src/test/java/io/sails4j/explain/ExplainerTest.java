package io.sails4j.explain;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sails4j.InputException;
import io.sails4j.data.Progress;
import io.sails4j.explain.ExplainedFeature.Passage;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.ops.Engine;
import io.sails4j.sae.Sae;
import io.sails4j.sae.SaeFixture;
import io.sails4j.subspace.Pooling;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.subspace.SubspaceOptions;
import io.sails4j.subspace.SubspacePipeline;
import io.sails4j.testing.Backends;
import io.sails4j.testing.TinyModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whole explanations of a tiny model: what they hold, what they are written as, and what they refuse. */
class ExplainerTest {
    private static final int D_SAE = 40;

    @TempDir
    private Path directory;
    private final SaeFixture fixture = ExplainFixtures.sae(D_SAE, 7);
    private Engine engine;
    private CausalModel model;
    private Sae sae;
    private final Corpus corpus = ExplainFixtures.corpus(TinyModel.pairs(7, 3));

    @BeforeEach
    void open() throws IOException {
        engine = Backends.open("cpu", 1);
        model = TinyModel.open(engine);
        sae = Sae.load(fixture.saeLens(directory.resolve("sae")), engine);
        Files.createDirectory(directory.resolve("model"));
    }

    @AfterEach
    void close() {
        sae.close();
        model.close();
        engine.close();
    }

    private Explainer explainer(Map<Integer, Sae> saes) {
        return new Explainer(model, directory.resolve("model"), null, new TreeMap<>(saes), ExplainOptions.defaults().with(o -> {
            o.passages = 2;
            o.context = 3;
            o.features = 4;
        }));
    }

    private SubspaceFile subspace(Map<Integer, Sae> saes, int topK) {
        Path file = directory.resolve("subspace-" + topK + ".safetensors");
        new SubspacePipeline(model, directory, new TreeMap<>(saes), new SubspaceOptions(topK, 0.8, true, false, Pooling.TOKEN, 60))
            .build(corpus.pairs(), Map.of(), Progress.none()).write(file);
        return SubspaceFile.read(file);
    }

    @Test
    void aSubspaceIsExplainedLayerByLayer() throws IOException {
        Map<Integer, Sae> saes = Map.of(0, sae, 1, sae);
        SubspaceFile file = subspace(saes, 8);
        Explainer explainer = explainer(saes);
        ScannedCorpus scanned = explainer.scan(corpus, AdapterStack.none(), Progress.none());
        SubspaceExplanation found = explainer.subspace(file, subspace(saes, 12), scanned, Progress.none());
        for (ExplainedLayer layer : found.layers()) {
            SafetySubspace.Layer of = file.layer(layer.layer());
            assertThat(layer.features()).extracting(ExplainedFeature::feature)
                .isEqualTo(IntStream.of(of.featureIds()).boxed().toList());
            assertThat(layer.spectrum()).filteredOn(ExplainedLayer.Component::kept).hasSize(of.dimension());
            for (ExplainedFeature feature : layer.features()) {
                ExplainedFeature.Activity activity = feature.activity();
                assertThat(activity).isNotNull();
                assertThat(Math.abs(activity.meanAligned() - activity.meanUnaligned())).isCloseTo(feature.score(), within(1e-5));
                assertThat(feature.passages()).hasSizeLessThanOrEqualTo(2);
                checkPassages(layer.layer(), feature);
            }
        }
        assertThat(found.angles()).extracting(SubspaceExplanation.Angles::a).containsExactly("layer 0", "layer 0", "layer 1");
        assertThat(found.angles()).allSatisfy(a -> assertThat(a.degrees()).isSorted().allMatch(d -> d >= 0 && d <= 90.001));
        found.writeInto(directory);
        JsonNode json = new ObjectMapper().readTree(directory.resolve("explain.json").toFile());
        assertThat(json.at("/format").asInt()).isEqualTo(1);
        assertThat(json.at("/kind").asText()).isEqualTo("subspace");
        assertThat(json.at("/data/pairs").asInt()).isEqualTo(7);
        assertThat(json.at("/layers/1/features/0/passages/0/tokens").size())
            .isEqualTo(json.at("/layers/1/features/0/passages/0/activations").size()).isPositive();
        assertThat(json.at("/layers/0/features/0/link").isNull()).isTrue();
    }

    /** The window's activations are those of the definition, and its largest is the peak. */
    private void checkPassages(int layer, ExplainedFeature feature) {
        SlowFeatures slow = new SlowFeatures(model, AdapterStack.none(), layer, fixture);
        for (Passage passage : feature.passages()) {
            int sequence = (int) passage.row() - 1 + (passage.aligned() ? 0 : corpus.pairs().size());
            int[] ids = corpus.sequences().get(sequence).ids();
            List<String> all = IntStream.of(ids).mapToObj(String::valueOf).toList();
            int from = Collections.indexOfSubList(all, passage.tokens());
            assertThat(from).isNotNegative();
            double[][] features = slow.of(ids);
            for (int t = 0; t < passage.tokens().size(); t++) {
                assertThat((double) passage.activations().get(t)).isCloseTo(features[from + t][feature.feature()], within(1e-4));
            }
            assertThat(passage.activations()).anyMatch(a -> Math.abs(a - passage.peak()) < 1e-4);
        }
    }

    @Test
    void withoutDataNothingIsSaidAboutActivations() {
        SubspaceFile file = subspace(Map.of(1, sae), 8);
        JsonNode json = explainer(Map.of(1, sae)).subspace(file, null, null, Progress.none()).json();
        assertThat(json.get("data").isNull()).isTrue();
        assertThat(json.at("/layers/0/features/0/mean_aligned").isNull()).isTrue();
        assertThat(json.at("/layers/0/features/0/passages").size()).isZero();
        assertThat(json.at("/layers/0/features/0/promoted").size()).isEqualTo(8);
        assertThat(json.at("/layers/0/features/0/neighbours").size()).isEqualTo(5);
    }

    @Test
    void aPromptShowsTheStrongestFeaturesAndTheSubspaces() {
        SubspaceFile file = subspace(Map.of(1, sae), 3);
        // The first token is the one that begins a text, and its features do not count.
        int[] ids = {model.config().bosId(), 9, 30, 12, 44, 51};
        try (LoraAdapter adapter = TinyModel.randomAdapter(engine, 4)) {
            PromptExplanation found = explainer(Map.of(1, sae)).prompt(ids,
                new AdapterFile(new Source(Path.of("a"), "0"), adapter), file);
            double[][] base = new SlowFeatures(model, AdapterStack.none(), 1, fixture).of(ids);
            double[][] adapted = new SlowFeatures(model, AdapterStack.of(adapter.modules()), 1, fixture).of(ids);
            double[] peaks = IntStream.range(0, D_SAE).mapToDouble(f -> IntStream.range(1, ids.length)
                .mapToDouble(t -> Math.max(base[t][f], adapted[t][f])).max().orElse(0)).toArray();
            List<Integer> falling = IntStream.range(0, D_SAE).boxed().sorted(Comparator.comparingDouble(f -> -peaks[f])).toList();
            List<Integer> kept = IntStream.of(file.layer(1).featureIds()).boxed().filter(f -> peaks[f] > 0).toList();
            List<Integer> expected = new ArrayList<>(falling);
            expected.removeIf(f -> !falling.subList(0, 4).contains(f) && !kept.contains(f));
            List<PromptExplanation.Feature> features = found.layers().getFirst().features();
            assertThat(features).extracting(PromptExplanation.Feature::feature).isEqualTo(expected);
            for (PromptExplanation.Feature feature : features) {
                assertThat(Double.isNaN(feature.score())).isEqualTo(!IntStream.of(file.layer(1).featureIds()).boxed().toList()
                    .contains(feature.feature()));
                for (int t = 0; t < ids.length; t++) {
                    assertThat((double) feature.base().get(t)).isCloseTo(base[t][feature.feature()], within(1e-4));
                    assertThat((double) feature.adapted().get(t)).isCloseTo(adapted[t][feature.feature()], within(1e-4));
                }
            }
            assertThat(found.json().at("/tokens").size()).isEqualTo(ids.length);
        }
    }

    @Test
    void hostileTextStaysText() throws IOException {
        String hostile = "\"],\"x\":[\"</script><b>\u001b[31m\n\u202e\ud83d\ude00";
        ExplainedFeature feature = new ExplainedFeature(1, 2, null, null, List.of(), List.of(),
            List.of(new ExplainedFeature.TokenLogit(3, hostile, 1.5)), List.of(),
            List.of(new Passage(true, 1, 2f, List.of(hostile), List.of(2f))));
        new SubspaceExplanation(new Source(Path.of("m"), "0"), new Source(Path.of("s"), "0"), null, null,
            List.of(new ExplainedLayer(0, 4, 1, List.of(), List.of(feature))), List.of()).writeInto(directory);
        JsonNode json = new ObjectMapper().readTree(directory.resolve("explain.json").toFile());
        assertThat(json.at("/layers/0/features/0/passages/0/tokens/0").asText()).isEqualTo(hostile);
        assertThat(json.at("/layers/0/features/0/promoted/0/token").asText()).isEqualTo(hostile);
        assertThat(json.at("/layers/0/features/0").has("x")).isFalse();
    }

    @Test
    void whatDoesNotBelongTogetherIsRefused() {
        SubspaceFile file = subspace(Map.of(1, sae), 8);
        assertThatThrownBy(() -> explainer(Map.of()).subspace(file, null, null, Progress.none())).isInstanceOf(InputException.class)
            .hasMessageContaining("a subspace for layer 1").hasMessageContaining("sae=1=PATH");
        assertThatThrownBy(() -> explainer(Map.of(0, sae, 1, sae)).subspace(file, null, null, Progress.none()))
            .isInstanceOf(InputException.class).hasMessageContaining("no subspace for layer 0");
        assertThatThrownBy(() -> explainer(Map.of(5, sae))).isInstanceOf(InputException.class).hasMessageContaining("layers 0 to 1");
        assertThatThrownBy(() -> explainer(Map.of()).scan(corpus, AdapterStack.none(), Progress.none()))
            .isInstanceOf(InputException.class).hasMessageContaining("there is no SAE");
        try (Sae other = Sae.load(ExplainFixtures.sae(D_SAE, 8).saeLens(directory.resolve("other")), engine);
             Sae narrow = Sae.load(ExplainFixtures.sae(5, 8).saeLens(directory.resolve("narrow")), engine)) {
            assertThatThrownBy(() -> explainer(Map.of(1, other)).subspace(file, null, null, Progress.none()))
                .isInstanceOf(InputException.class).hasMessageContaining("is not spanned by the decoder rows");
            assertThatThrownBy(() -> explainer(Map.of(1, narrow)).subspace(file, null, null, Progress.none()))
                .isInstanceOf(InputException.class).hasMessageContaining("features 0 to 4");
            assertThatThrownBy(() -> explainer(Map.of(1, sae)).subspace(file, subspace(Map.of(0, sae), 9), null, Progress.none()))
                .isInstanceOf(InputException.class).hasMessageContaining("a layer that both have");
        }
    }
}
