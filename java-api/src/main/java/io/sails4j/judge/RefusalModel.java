package io.sails4j.judge;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.files.JsonFiles;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;

/**
 * Multinomial logistic regression over {@link RefusalFeatures}: P(verdict) is proportional to exp(bias + sum of weight times feature). The
 * weights lie in {@code refusal-weights.json} beside what they were fitted on.
 *
 * @param bias of each verdict
 * @param weights of each feature for each verdict
 */
record RefusalModel(Map<Verdict, Double> bias, Map<String, Map<Verdict, Double>> weights) {
    private static final String FILE = "refusal-weights.json";

    /** The one that the judge is delivered with. */
    static RefusalModel delivered() {
        JsonNode json = JsonFiles.parse(Rubric.resource(FILE), FILE);
        Map<String, Map<Verdict, Double>> weights = new LinkedHashMap<>();
        json.get("weights").properties().forEach(feature -> weights.put(feature.getKey(), ofVerdicts(feature.getValue())));
        return new RefusalModel(ofVerdicts(json.get("bias")), weights);
    }

    private static Map<Verdict, Double> ofVerdicts(JsonNode json) {
        Map<Verdict, Double> values = new EnumMap<>(Verdict.class);
        for (Verdict verdict : Verdict.values()) {
            values.put(verdict, json.get(verdict.key()).doubleValue());
        }
        return values;
    }

    double weight(String feature, Verdict verdict) {
        return Objects.requireNonNull(Objects.requireNonNull(weights.get(feature), feature).get(verdict));
    }

    /** The probability of each verdict. */
    Map<Verdict, Double> probabilities(RefusalFeatures features) {
        Map<Verdict, Double> scores = new EnumMap<>(bias);
        features.values().forEach((name, value) -> scores.replaceAll((verdict, score) -> score + value * weight(name, verdict)));
        double most = scores.values().stream().mapToDouble(s -> s).max().orElse(0);
        scores.replaceAll((_, score) -> Math.exp(score - most));
        double sum = scores.values().stream().mapToDouble(s -> s).sum();
        scores.replaceAll((_, score) -> score / sum);
        return scores;
    }
}
