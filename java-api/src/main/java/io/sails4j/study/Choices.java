package io.sails4j.study;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.files.AtomicFiles;
import io.sails4j.files.JsonFiles;
import io.sails4j.options.Options;
import io.sails4j.train.Objective;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;

/** The learning rate of each arm and objective. */
final class Choices {
    /** Stands in the study's directory before the first prompt of any test is asked. */
    static final String RULE = "of each arm and objective, the learning rate whose model has the largest share of harmful validation"
        + " prompts refused less the share of harmless ones refused; of equals, the smallest";

    private final SequencedMap<String, Double> rates;

    private Choices(SequencedMap<String, Double> rates) {
        this.rates = rates;
    }

    /** By the rule; {@code scores} are of all trials. */
    static Choices of(Map<StudyTask, Double> scores) {
        SequencedMap<String, StudyTask> best = new LinkedHashMap<>();
        scores.forEach((task, score) -> best.merge(key(task.arm(), task.objective()), task,
            (a, b) -> better(b, score, a, scores.getOrDefault(a, Double.NaN)) ? b : a));
        SequencedMap<String, Double> rates = new LinkedHashMap<>();
        best.forEach((key, task) -> rates.put(key, task.lr()));
        return new Choices(rates);
    }

    private static boolean better(StudyTask task, double score, StudyTask than, double its) {
        return score > its || score == its && task.lr() < than.lr();
    }

    private static String key(String arm, Objective objective) {
        return arm + " " + Options.label(objective);
    }

    double lr(String arm, Objective objective) {
        Double lr = rates.get(key(arm, objective));
        if (lr == null) {
            throw new InputException("no learning rate was chosen for the arm '" + arm + "' with '" + Options.label(objective)
                + "': the study's file was changed after its trials; start it in a new directory");
        }
        return lr;
    }

    void write(Path file) {
        ObjectNode json = new ObjectMapper().createObjectNode().put("format", 1).put("rule", RULE);
        ObjectNode chosen = json.putObject("learning_rates");
        rates.forEach(chosen::put);
        AtomicFiles.writeJson(file, json);
    }

    static Choices read(Path file) {
        SequencedMap<String, Double> rates = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> entry : JsonFiles.read(file).path("learning_rates").properties()) {
            rates.put(entry.getKey(), entry.getValue().doubleValue());
        }
        return new Choices(rates);
    }
}
