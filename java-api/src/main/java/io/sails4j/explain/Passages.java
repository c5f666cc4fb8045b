package io.sails4j.explain;

import io.sails4j.data.Progress;
import io.sails4j.data.TokenSequence;
import io.sails4j.explain.ExplainedFeature.Passage;
import io.sails4j.model.AdapterStack;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SortedMap;
import java.util.TreeMap;

/** The text around peaks, with a feature's activation on each token: a second pass, over the sequences that have a peak alone. */
final class Passages {
    private final Corpus corpus;
    private final List<TokenSequence> sequences;
    private final int context;
    private final TokenNames names;
    /** By sequence: the tokens in somebody's window. */
    private final SortedMap<Integer, boolean[]> windows = new TreeMap<>();
    private final List<Wanted> wanted = new ArrayList<>();

    /** Around one peak of one feature. */
    private record Wanted(int layer, int feature, Peak peak, int from, int to, float[] activations) {
    }

    Passages(Corpus corpus, int context, TokenNames names) {
        this.corpus = corpus;
        this.sequences = corpus.sequences();
        this.context = context;
        this.names = names;
    }

    void want(int layer, int feature, List<Peak> peaks) {
        for (Peak peak : peaks) {
            int length = sequences.get(peak.sequence()).length();
            int from = Math.max(0, peak.position() - context);
            int to = (int) Math.min(length, peak.position() + context + 1L);
            wanted.add(new Wanted(layer, feature, peak, from, to, new float[to - from]));
            Arrays.fill(windows.computeIfAbsent(peak.sequence(), _ -> new boolean[length]), from, to, true);
        }
    }

    /** Fills in the activations. */
    void read(ActivationPass pass, Progress progress) {
        List<Integer> numbers = List.copyOf(windows.keySet());
        Map<Integer, List<Wanted>> bySequence = new HashMap<>();
        wanted.forEach(w -> bySequence.computeIfAbsent(w.peak.sequence(), _ -> new ArrayList<>()).add(w));
        pass.run(numbers.stream().map(sequences::get).toList(), List.copyOf(windows.values()), AdapterStack.none(),
            (layer, i, activations) -> {
                for (Wanted w : Objects.requireNonNull(bySequence.get(numbers.get(i)))) {
                    for (int t = w.from; w.layer == layer && t < w.to; t++) {
                        w.activations[t - w.from] = activations.at(t, w.feature);
                    }
                }
            }, progress);
    }

    List<Passage> of(int layer, int feature) {
        return wanted.stream().filter(w -> w.layer == layer && w.feature == feature).map(this::passage).toList();
    }

    private Passage passage(Wanted w) {
        int[] ids = Arrays.copyOfRange(sequences.get(w.peak.sequence()).ids(), w.from, w.to);
        List<Float> activations = new ArrayList<>();
        for (float a : w.activations) {
            activations.add(a);
        }
        return new Passage(w.peak.side() == CorpusStatistics.ALIGNED, corpus.row(w.peak.sequence()), w.peak.activation(), names.of(ids),
            activations);
    }
}
