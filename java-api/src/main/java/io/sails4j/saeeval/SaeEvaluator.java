package io.sails4j.saeeval;

import io.sails4j.InputException;
import io.sails4j.data.Progress;
import io.sails4j.data.TokenSequence;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ModelSession;
import io.sails4j.model.Site;
import io.sails4j.model.TokenBatch;
import io.sails4j.ops.Engine;
import io.sails4j.sae.Sae;
import io.sails4j.saetrain.StoredActivations;
import io.sails4j.saetrain.TextCorpus;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** Measures an autoencoder on the residual stream of a model, or on vectors of a file. */
public final class SaeEvaluator {
    /** As in SAEBench. */
    private static final List<Integer> PROBES = List.of(1, 5);

    private final Engine engine;
    private final Sae sae;
    private final SaeEvalOptions options;

    /** An evaluator of one autoencoder. */
    public SaeEvaluator(Engine engine, Sae sae, SaeEvalOptions options) {
        this.engine = engine;
        this.sae = sae;
        this.options = options;
    }

    /**
     * On vectors of a file.
     *
     * @param features directions that are known to be in them, null where none are
     * @param labels of the vectors, null where there are none
     */
    public SaeEvaluation of(StoredActivations vectors, @Nullable StoredActivations features, @Nullable StoredLabels labels) {
        requireLength(vectors);
        float[] x = vectors.peek(options.evalVectors())[0];
        int d = vectors.dIn();
        AbsorptionPass absorption = labels == null ? null
            : new AbsorptionPass(x, d, labels.of(vectors, x.length / d), sae.wDec().toFloatArray());
        VectorSums sums = new VectorSums(sae, x).run(engine, options.encodeBatch(), absorption == null ? (_, _, _) -> {} : absorption::see);
        DecoderCosines cosines = new DecoderCosines(engine, sae);
        KnownFeatureMeasures known = null;
        if (features != null) {
            requireLength(features);
            known = cosines.known(features.peek(Math.toIntExact(features.rows()))[0], options.recoveredCosine());
        }
        return new SaeEvaluation(sums.measures(options.denseFrequency()), cosines.duplicates(options.duplicateCosine()), null, known,
            List.of(), absorption == null ? null : absorption.run());
    }

    private void requireLength(StoredActivations vectors) {
        if (vectors.dIn() != sae.config().dIn()) {
            throw new InputException(vectors.name() + " has vectors of length " + vectors.dIn() + ", but " + sae.path()
                + " reads d_in = " + sae.config().dIn());
        }
    }

    /**
     * On the residual stream of a model after a layer, over the texts from the first on that together have as many vectors as are wanted.
     * The first token of each text is left as it is and not looked at.
     */
    public SaeEvaluation of(CausalModel model, int layer, TextCorpus corpus, Progress progress) {
        Sae.requireFit(Map.of(layer, sae), model.config(), "the model");
        List<Integer> chosen = chosen(corpus);
        int d = Math.toIntExact(sae.config().dIn());
        try (ModelSession session = ModelSession.open(model)) {
            List<float[]> parts = new ArrayList<>();
            List<Integer> textOf = new ArrayList<>();
            for (int text : chosen) {
                float[] stream = stream(session, corpus.sequences().get(text), layer);
                parts.add(stream);
                textOf.addAll(Collections.nCopies(stream.length / d, text));
                progress.update(parts.size(), 2L * chosen.size(), textOf.size());
            }
            Map<Integer, float[]> means = new TreeMap<>();
            int width = Math.toIntExact(sae.config().dSae());
            VectorSums sums = new VectorSums(sae, joined(parts)).run(engine, options.encodeBatch(), (vector, feature, activation) -> {
                int text = textOf.get(vector);
                if (corpus.sides().get(text) != TextCorpus.TEXT) {
                    means.computeIfAbsent(text, _ -> new float[width])[feature] += activation
                        / (corpus.sequences().get(text).length() - 1);
                }
            });
            ReplacedStream replaced = new ReplacedStream(session, sae, layer, sums.mean());
            long done = chosen.size();
            for (int text : chosen) {
                replaced.add(corpus.sequences().get(text).ids());
                progress.update(++done, 2L * chosen.size(), textOf.size());
            }
            return new SaeEvaluation(sums.measures(options.denseFrequency()),
                new DecoderCosines(engine, sae).duplicates(options.duplicateCosine()), replaced.measures(), null, probes(corpus, means),
                null);
        }
    }

    private List<Integer> chosen(TextCorpus corpus) {
        List<Integer> chosen = new ArrayList<>();
        long vectors = 0;
        for (int i = 0; i < corpus.sequences().size(); i++) {
            int length = corpus.sequences().get(i).length() - 1;
            if (length > 0 && (chosen.isEmpty() || vectors + length <= options.evalVectors())) {
                chosen.add(i);
                vectors += length;
            }
        }
        if (vectors < 2) {
            throw new InputException("the data has no text of 3 tokens or more, expected texts to measure on");
        }
        return chosen;
    }

    private static float[] stream(ModelSession session, TokenSequence text, int layer) {
        float[][] found = new float[1][];
        session.forward(TokenBatch.of(text.ids()), AdapterStack.none(), new ForwardOptions(false, layer, (site, at, stream) -> {
            if (site == Site.LAYER && at == layer) {
                found[0] = stream.rows(1, stream.dim(0) - 1).toFloatArray();
            }
        })).close();
        return Objects.requireNonNull(found[0]);
    }

    private static float[] joined(List<float[]> parts) {
        float[] all = new float[Math.toIntExact(parts.stream().mapToLong(part -> part.length).sum())];
        int at = 0;
        for (float[] part : parts) {
            System.arraycopy(part, 0, all, at, part.length);
            at += part.length;
        }
        return all;
    }

    /** The two texts of a pair follow one another. */
    private static List<ProbeMeasure> probes(TextCorpus corpus, Map<Integer, float[]> means) {
        List<SideProbe.Text> texts = new ArrayList<>();
        means.forEach((text, mean) -> texts.add(new SideProbe.Text(text / 2, corpus.sides().get(text) == TextCorpus.ALIGNED, mean)));
        SideProbe probe = new SideProbe(texts);
        return probe.possible() ? PROBES.stream().map(probe::with).toList() : List.of();
    }
}
