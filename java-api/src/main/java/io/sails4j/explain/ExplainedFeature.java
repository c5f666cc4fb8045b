package io.sails4j.explain;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A feature that spans a safety subspace.
 *
 * @param score as the subspace file holds it
 * @param activity on the user's data; null where there is none
 * @param link its page on Neuronpedia; null where the SAE is not known to have pages there
 * @param basisShares its share of each basis vector; over the kept features each vector's shares sum to 1
 * @param neighbours the features with the most similar decoder rows
 * @param promoted the tokens whose logits its decoder row raises most
 * @param suppressed those that it lowers most
 * @param passages where it fires most in the user's data
 */
public record ExplainedFeature(int feature, double score, @Nullable Activity activity, @Nullable String link, List<Double> basisShares,
    List<Neighbour> neighbours, List<TokenLogit> promoted, List<TokenLogit> suppressed, List<Passage> passages) {

    public ExplainedFeature {
        basisShares = List.copyOf(basisShares);
        neighbours = List.copyOf(neighbours);
        promoted = List.copyOf(promoted);
        suppressed = List.copyOf(suppressed);
        passages = List.copyOf(passages);
    }

    /** Activations over the counted tokens; NaN on a side without any. A frequency is the share of tokens where the feature is active. */
    public record Activity(double meanAligned, double meanUnaligned, double frequencyAligned, double frequencyUnaligned,
        double deviationAligned, double deviationUnaligned, double maximum) {
        static Activity of(CorpusStatistics statistics, int feature) {
            int a = CorpusStatistics.ALIGNED;
            int u = CorpusStatistics.UNALIGNED;
            return new Activity(statistics.mean(a, feature), statistics.mean(u, feature), statistics.frequency(a, feature),
                statistics.frequency(u, feature), statistics.deviation(a, feature), statistics.deviation(u, feature),
                Math.max(statistics.maximum(a, feature), statistics.maximum(u, feature)));
        }
    }

    /** Another feature and the cosine of the two decoder rows. */
    public record Neighbour(int feature, double cosine) {
    }

    /**
     * A token of the vocabulary and what a feature adds to its logit.
     *
     * @param token its text; its id where the model has no tokenizer
     */
    public record TokenLogit(int id, String token, double logit) {
    }

    /**
     * A piece of a sequence around the token where a feature fires most.
     *
     * @param aligned whose answer it is of
     * @param row line, entry or row of the data file
     * @param peak the largest activation
     * @param tokens texts; of tokens that only together are a character the first has it and the others are empty
     * @param activations of the feature on each token
     */
    public record Passage(boolean aligned, long row, float peak, List<String> tokens, List<Float> activations) {
        public Passage {
            tokens = List.copyOf(tokens);
            activations = List.copyOf(activations);
            if (tokens.size() != activations.size()) {
                throw new IllegalArgumentException(tokens.size() + " tokens and " + activations.size() + " activations");
            }
        }
    }

    void writeInto(ObjectNode json) {
        json.put("feature", feature).put("score", score);
        Json.put(json, "mean_aligned", activity == null ? Double.NaN : activity.meanAligned);
        Json.put(json, "mean_unaligned", activity == null ? Double.NaN : activity.meanUnaligned);
        Json.put(json, "frequency_aligned", activity == null ? Double.NaN : activity.frequencyAligned);
        Json.put(json, "frequency_unaligned", activity == null ? Double.NaN : activity.frequencyUnaligned);
        Json.put(json, "deviation_aligned", activity == null ? Double.NaN : activity.deviationAligned);
        Json.put(json, "deviation_unaligned", activity == null ? Double.NaN : activity.deviationUnaligned);
        Json.put(json, "maximum", activity == null ? Double.NaN : activity.maximum);
        json.put("link", link);
        Json.put(json, "basis_shares", basisShares);
        ArrayNode near = json.putArray("neighbours");
        neighbours.forEach(n -> near.addObject().put("feature", n.feature).put("cosine", n.cosine));
        write(json.putArray("promoted"), promoted);
        write(json.putArray("suppressed"), suppressed);
        ArrayNode found = json.putArray("passages");
        passages.forEach(passage -> write(found.addObject(), passage));
    }

    private static void write(ArrayNode json, List<TokenLogit> logits) {
        logits.forEach(l -> json.addObject().put("id", l.id).put("token", l.token).put("logit", l.logit));
    }

    private static void write(ObjectNode json, Passage passage) {
        json.put("side", passage.aligned ? "aligned" : "unaligned").put("row", passage.row).put("peak", passage.peak);
        passage.tokens.forEach(json.putArray("tokens")::add);
        Json.put(json, "activations", passage.activations);
    }
}
