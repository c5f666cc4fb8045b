package io.sails4j.explain;

import io.sails4j.InputException;
import io.sails4j.data.Progress;
import io.sails4j.data.TokenPair;
import io.sails4j.data.TokenSequence;
import io.sails4j.data.Tokenizer;
import io.sails4j.explain.SubspaceExplanation.Angles;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.sae.Sae;
import io.sails4j.subspace.PrincipalAngles;
import io.sails4j.subspace.SafetySubspace;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** Says what the features of a subspace mean, what an adapter changes, and what fires on a prompt. */
public final class Explainer {
    private static final System.Logger LOG = System.getLogger("io.sails4j.explain");

    private final CausalModel model;
    private final Path modelPath;
    private final TokenNames names;
    private final SortedMap<Integer, Sae> saes;
    private final ExplainOptions options;

    /**
     * An explainer for a model and the autoencoders of some of its layers.
     *
     * @param tokenizer the model's; where it has none, tokens are shown by their ids
     * @param saes by the layer whose resid_post they read; may be empty for an adapter whose weights alone are looked at
     */
    public Explainer(CausalModel model, Path modelPath, @Nullable Tokenizer tokenizer, SortedMap<Integer, Sae> saes,
        ExplainOptions options) {
        this.model = model;
        this.modelPath = modelPath;
        this.names = new TokenNames(tokenizer);
        this.saes = saes;
        this.options = options;
        Sae.requireFit(saes, model.config(), modelPath);
        saes.forEach((layer, sae) -> sae.hook().note(layer, sae.path()).ifPresent(note -> LOG.log(System.Logger.Level.INFO, note)));
    }

    /** One pass over a corpus: the statistics of all features of all SAEs, with an adapter's model or the model alone. */
    public ScannedCorpus scan(Corpus corpus, AdapterStack adapters, Progress progress) {
        requireSaes("the features of data are counted");
        TokenPair.requirePositions(corpus.pairs(), model.config());
        SortedMap<Integer, CorpusStatistics> statistics = new TreeMap<>();
        saes.forEach((layer, sae) -> statistics.put(layer,
            new CorpusStatistics(Math.toIntExact(sae.config().dSae()), options.passages())));
        List<TokenSequence> sequences = corpus.sequences();
        pass().run(sequences, sequences.stream().map(TokenSequence::counted).toList(), adapters,
            (layer, sequence, activations) -> Objects.requireNonNull(statistics.get(layer)).add(corpus.side(sequence), sequence,
                sequences.get(sequence).ids(), activations),
            progress);
        return new ScannedCorpus(corpus, statistics);
    }

    private ActivationPass pass() {
        return new ActivationPass(model, saes, options.featureBatchTokens());
    }

    private void requireSaes(String what) {
        if (saes.isEmpty()) {
            throw new InputException("there is no SAE, by which " + what + ": name one and its layer (sae=LAYER=PATH)");
        }
    }

    /**
     * Explains a subspace: its features, its spectrum and its angles.
     *
     * @param other a second subspace to compare with; null for none
     * @param scanned by {@link #scan} without an adapter; null where there is no data, and then nothing is said about activations
     */
    public SubspaceExplanation subspace(SubspaceFile file, @Nullable SubspaceFile other, @Nullable ScannedCorpus scanned,
        Progress progress) {
        SortedMap<Integer, List<ExplainedLayer.Component>> spectra = spectra(file, other);
        List<Angles> angles = angles(file, other);
        Passages passages = scanned == null ? null : passages(file, scanned, progress);
        List<ExplainedLayer> layers = new ArrayList<>();
        for (int layer : file.subspace().layers().keySet()) {
            layers.add(layer(layer, file, Objects.requireNonNull(spectra.get(layer)), scanned == null ? null : scanned.layers().get(layer),
                passages));
        }
        return new SubspaceExplanation(Source.of(modelPath), file.source(), other == null ? null : other.source(),
            scanned == null ? null : scanned.corpus(), layers, angles);
    }

    /**
     * An error unless each layer of the subspace has the SAE that it was made with and no other is named; asked before a long pass, not
     * after it.
     *
     * @param other a second subspace that it can be compared with; null for none
     */
    public void requireFits(SubspaceFile file, @Nullable SubspaceFile other) {
        spectra(file, other);
    }

    /** By layer; to compute one is to see whether the SAE is the subspace's. */
    private SortedMap<Integer, List<ExplainedLayer.Component>> spectra(SubspaceFile file, @Nullable SubspaceFile other) {
        SortedMap<Integer, List<ExplainedLayer.Component>> spectra = new TreeMap<>();
        file.subspace().requireModel(model.config(), file.source().path(), modelPath);
        for (int layer : file.subspace().layers().keySet()) {
            if (file.layer(layer).featureIds().length == 0) {
                throw new InputException(file.source().path() + " has no features on layer " + layer
                    + ": it is a control that was found without an SAE, so nothing says what it means; expected a subspace of features");
            }
            Sae sae = saes.get(layer);
            if (sae == null) {
                throw new InputException(file.source().path() + " has a subspace for layer " + layer
                    + ", whose features an SAE must explain: name the one that it was made with (sae=" + layer + "=PATH)");
            }
            file.requireFeatures(layer, sae);
            spectra.put(layer, file.spectrum(layer, sae));
        }
        saes.forEach((layer, sae) -> {
            if (!file.subspace().layers().containsKey(layer)) {
                throw new InputException("sae=" + layer + "=" + sae.path() + ": " + file.source().path() + " has no subspace for layer "
                    + layer + ", it has one for " + file.subspace().layers().keySet());
            }
        });
        if (other != null) {
            shared(file, other);
        }
        return spectra;
    }

    /** An error unless the subspace fits the model, and on layers that both have the SAEs. */
    private void requireOverlapFits(@Nullable SubspaceFile file) {
        if (file != null) {
            file.subspace().requireModel(model.config(), file.source().path(), modelPath);
            saes.forEach((layer, sae) -> {
                if (file.subspace().layers().containsKey(layer)) {
                    file.requireFeatures(layer, sae);
                }
            });
        }
    }

    private Passages passages(SubspaceFile file, ScannedCorpus scanned, Progress progress) {
        Passages passages = new Passages(scanned.corpus(), options.context(), names);
        file.subspace().layers().forEach((layer, of) -> {
            CorpusStatistics statistics = Objects.requireNonNull(scanned.layers().get(layer));
            for (int feature : of.featureIds()) {
                passages.want(layer, feature, statistics.peaks(feature).stream().limit(options.passages()).toList());
            }
        });
        passages.read(pass(), progress);
        return passages;
    }

    private ExplainedLayer layer(int layer, SubspaceFile file, List<ExplainedLayer.Component> spectrum,
        @Nullable CorpusStatistics statistics, @Nullable Passages passages) {
        Sae sae = Objects.requireNonNull(saes.get(layer));
        SafetySubspace.Layer of = file.layer(layer);
        int[] ids = of.featureIds();
        double[][] shares = file.basisShares(layer, sae);
        List<List<ExplainedFeature.Neighbour>> neighbours = DecoderNeighbours.of(sae, ids, options.neighbours(), model.engine());
        List<LogitLens.Ends> ends = new LogitLens(model, names).of(sae.decoderRows(ids), options.lensTokens());
        String page = NeuronpediaLinks.of(sae.path()).orElse(null);
        List<ExplainedFeature> features = new ArrayList<>();
        for (int i = 0; i < ids.length; i++) {
            features.add(new ExplainedFeature(ids[i], of.scores()[i],
                statistics == null ? null : ExplainedFeature.Activity.of(statistics, ids[i]), page == null ? null : page + ids[i],
                Arrays.stream(shares[i]).boxed().toList(), neighbours.get(i), ends.get(i).promoted(), ends.get(i).suppressed(),
                passages == null ? List.of() : passages.of(layer, ids[i])));
        }
        return new ExplainedLayer(layer, Math.toIntExact(sae.config().dSae()), of.dimension(), spectrum, features);
    }

    private List<Angles> angles(SubspaceFile file, @Nullable SubspaceFile other) {
        List<Angles> angles = new ArrayList<>();
        SortedMap<Integer, SafetySubspace.Layer> layers = file.subspace().layers();
        layers.forEach((a, first) -> layers.tailMap(a + 1)
            .forEach((b, second) -> angles.add(angles("layer " + a, first, "layer " + b, second))));
        if (other == null) {
            return angles;
        }
        SortedMap<Integer, SafetySubspace.Layer> others = shared(file, other);
        others.forEach((layer, second) -> angles.add(angles("layer " + layer, file.layer(layer),
            "layer " + layer + " of " + other.source().path(), second)));
        return angles;
    }

    /** The other's layers that the first has too. */
    private SortedMap<Integer, SafetySubspace.Layer> shared(SubspaceFile file, SubspaceFile other) {
        other.subspace().requireModel(model.config(), other.source().path(), modelPath);
        SortedMap<Integer, SafetySubspace.Layer> others = new TreeMap<>(other.subspace().layers());
        others.keySet().retainAll(file.subspace().layers().keySet());
        if (others.isEmpty()) {
            throw new InputException(other.source().path() + " has a subspace for the layers " + other.subspace().layers().keySet() + ", "
                + file.source().path() + " for " + file.subspace().layers().keySet()
                + "; expected a layer that both have, to compare them");
        }
        return others;
    }

    private static Angles angles(String a, SafetySubspace.Layer first, String b, SafetySubspace.Layer second) {
        double[] radians = PrincipalAngles.between(SubspaceFile.columns(first), SubspaceFile.columns(second));
        return new Angles(a, b, Arrays.stream(radians).map(Math::toDegrees).boxed().toList());
    }

    /**
     * Explains an adapter: how much of its updates lies inside a subspace, and which features it moves.
     *
     * @param subspace null where nothing is said about shares
     * @param before {@link #scan} of a corpus without the adapter; null where nothing is said about features
     * @param after the same with the adapter; null where before is
     */
    public AdapterExplanation adapter(AdapterFile adapter, @Nullable SubspaceFile subspace, @Nullable ScannedCorpus before,
        @Nullable ScannedCorpus after) {
        requireOverlapFits(subspace);
        return new AdapterReader(model, adapter, subspace, options.features()).explain(Source.of(modelPath), before, after);
    }

    /**
     * Explains a prompt: which features fire on which of its tokens.
     *
     * @param ids of all its tokens, the one that begins a text among them
     * @param adapter whose model is shown beside the base model; null for none
     * @param subspace whose features are shown with their scores; null for none
     */
    public PromptExplanation prompt(int[] ids, @Nullable AdapterFile adapter, @Nullable SubspaceFile subspace) {
        requireSaes("a prompt's features are found");
        requireOverlapFits(subspace);
        // The stream at the token that begins a text is unlike all others, and SAEs are not trained on it.
        int first = ids.length > 1 && ids[0] == model.config().bosId() ? 1 : 0;
        PromptReader reader = new PromptReader(pass(), saes, ids, first, subspace, options.features());
        return new PromptExplanation(Source.of(modelPath), adapter == null ? null : adapter.source(),
            subspace == null ? null : subspace.source(), first, names.of(ids),
            reader.layers(adapter == null ? null : adapter.stack()));
    }
}
