package io.sails4j.study;

import io.sails4j.sae.Sae;
import io.sails4j.stats.Ranks;
import io.sails4j.study.TruthSamples.Sample;
import io.sails4j.subspace.PrincipalAngles;
import io.sails4j.subspace.SafetySubspace;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.IntStream;

/**
 * Computes {@link StudyTruth} from samples. The true directions of a layer are, for each category of harmful requests, the mean of
 * resid_post at the last token over the category's requests less that over all harmless ones (Arditi et al., arXiv:2406.11717, section
 * 2.3, there for all harmful requests together). They say where harm is told, not what a change there would cause.
 */
final class TruthMeasure {
    /** A word needs so many requests with it, and as many without, to have a direction. */
    private static final int FEWEST = 4;

    private final List<Sample> fitted;
    private final List<Sample> tested;
    private final SortedMap<Integer, Sae> saes;

    TruthMeasure(List<Sample> fitted, List<Sample> tested, SortedMap<Integer, Sae> saes) {
        this.fitted = fitted;
        this.tested = tested;
        this.saes = saes;
    }

    /** @param subspaces by name, that of the SAE's features first */
    StudyTruth measure(Map<String, SafetySubspace> subspaces) {
        List<StudyTruth.Probe> probes = IntStream.range(0, tested.getFirst().streams().length).mapToObj(this::probe).toList();
        List<StudyTruth.OfLayer> layers = new ArrayList<>();
        int place = 0;
        for (int layer : saes.keySet()) {
            layers.add(layer(layer, place++, subspaces));
        }
        return new StudyTruth(probes, layers);
    }

    private StudyTruth.Probe probe(int layer) {
        LinearProbe probe = LinearProbe.fit(fitted.stream().map(s -> s.streams()[layer]).toArray(float[][]::new), harmful(fitted));
        double[] scores = tested.stream().mapToDouble(s -> probe.score(s.streams()[layer])).toArray();
        boolean[] labels = harmful(tested);
        long right = IntStream.range(0, scores.length).filter(i -> scores[i] > 0 == labels[i]).count();
        return new StudyTruth.Probe(layer, Ranks.auc(scores, labels), (double) right / scores.length, fitted.size(), tested.size());
    }

    private static boolean[] harmful(List<Sample> samples) {
        boolean[] labels = new boolean[samples.size()];
        for (int i = 0; i < labels.length; i++) {
            labels[i] = samples.get(i).harmful();
        }
        return labels;
    }

    private StudyTruth.OfLayer layer(int layer, int place, Map<String, SafetySubspace> subspaces) {
        double[][] words = words(layer);
        boolean[] labels = harmful(tested);
        int dSae = tested.getFirst().features().get(place).length;
        double[] aucs = IntStream.range(0, dSae)
            .mapToDouble(f -> Ranks.auc(tested.stream().mapToDouble(s -> s.features().get(place)[f]).toArray(),
                labels))
            .toArray();
        int best = IntStream.range(0, dSae).boxed().max(Comparator.comparingDouble(f -> aucs[f])).orElseThrow();
        SafetySubspace ofFeatures = subspaces.values().iterator().next();
        List<StudyTruth.Feature> kept = Arrays.stream(ofFeatures.nearest(layer).featureIds())
            .mapToObj(id -> new StudyTruth.Feature(id, aucs[id])).toList();
        double[] difference = difference(fitted.stream().filter(Sample::harmful).toList(), layer);
        double[] along = tested.stream().mapToDouble(s -> dot(difference, s.streams()[layer])).toArray();
        double[][] truth = truth(layer);
        return new StudyTruth.OfLayer(layer, difference.length, words.length, squaredCosine(words), kept,
            new StudyTruth.Feature(best, aucs[best]), Ranks.auc(along, labels), truth[0].length,
            subspaces.entrySet().stream().map(e -> recovery(e.getKey(), e.getValue().nearest(layer), truth)).toList());
    }

    /** Of fitted and tested requests: harmful categories that no training prompt has are part of what is true. */
    private double[][] truth(int layer) {
        Map<String, List<Sample>> categories = new TreeMap<>();
        all().stream().filter(Sample::harmful)
            .forEach(s -> categories.computeIfAbsent(s.prompt().category(), _ -> new ArrayList<>()).add(s));
        double[][] rows = categories.values().stream().map(of -> difference(of, layer)).toArray(double[][]::new);
        double[][] columns = new double[rows[0].length][rows.length];
        for (int i = 0; i < rows.length; i++) {
            for (int j = 0; j < columns.length; j++) {
                columns[j][i] = rows[i][j];
            }
        }
        return columns;
    }

    private List<Sample> all() {
        List<Sample> all = new ArrayList<>(fitted);
        all.addAll(tested);
        return all;
    }

    /** Their mean less that of all harmless requests. */
    private double[] difference(List<Sample> samples, int layer) {
        return less(mean(samples, layer), mean(all().stream().filter(s -> !s.harmful()).toList(), layer));
    }

    private static double[] mean(List<Sample> samples, int layer) {
        double[] mean = new double[samples.getFirst().streams()[layer].length];
        for (Sample sample : samples) {
            for (int j = 0; j < mean.length; j++) {
                mean[j] += (double) sample.streams()[layer][j] / samples.size();
            }
        }
        return mean;
    }

    private static double[] less(double[] a, double[] b) {
        return IntStream.range(0, a.length).mapToDouble(j -> a[j] - b[j]).toArray();
    }

    private static double dot(double[] a, float[] b) {
        return IntStream.range(0, a.length).mapToDouble(j -> a[j] * b[j]).sum();
    }

    /** Directions of words, of length 1: the mean over requests with the word less that over those without. */
    private double[][] words(int layer) {
        Map<String, List<Sample>> with = new LinkedHashMap<>();
        List<Sample> samples = all();
        samples.forEach(s -> new TreeSet<>(Arrays.asList(s.prompt().request().split("\\W+")))
            .forEach(word -> with.computeIfAbsent(word, _ -> new ArrayList<>()).add(s)));
        double[] mean = mean(samples, layer);
        List<double[]> directions = new ArrayList<>();
        with.forEach((word, of) -> {
            int without = samples.size() - of.size();
            if (!word.isEmpty() && of.size() >= FEWEST && without >= FEWEST) {
                // mean(with) - mean(without) is a multiple of mean(with) - mean(all).
                double[] direction = less(mean(of, layer), mean);
                double length = Math.sqrt(Arrays.stream(direction).map(v -> v * v).sum());
                directions.add(Arrays.stream(direction).map(v -> v / length).toArray());
            }
        });
        return directions.toArray(double[][]::new);
    }

    private static double squaredCosine(double[][] directions) {
        double sum = 0;
        long pairs = 0;
        for (int a = 0; a < directions.length; a++) {
            for (int b = 0; b < a; b++) {
                double dot = 0;
                for (int j = 0; j < directions[a].length; j++) {
                    dot += directions[a][j] * directions[b][j];
                }
                sum += dot * dot;
                pairs++;
            }
        }
        return sum / pairs;
    }

    private static StudyTruth.Recovery recovery(String name, SafetySubspace.Layer layer, double[][] truth) {
        int k = layer.dimension();
        double[][] basis = new double[layer.dModel()][k];
        for (int i = 0; i < basis.length; i++) {
            for (int j = 0; j < k; j++) {
                basis[i][j] = layer.basis()[i * k + j];
            }
        }
        double[] angles = PrincipalAngles.between(basis, truth);
        double squares = Arrays.stream(angles).map(a -> Math.cos(a) * Math.cos(a)).sum();
        return new StudyTruth.Recovery(name, k, Arrays.stream(angles).map(Math::toDegrees).boxed().toList(), squares / truth[0].length,
            (double) k / layer.dModel());
    }
}
