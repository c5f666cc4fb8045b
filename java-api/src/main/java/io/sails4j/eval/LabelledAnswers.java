package io.sails4j.eval;

import io.sails4j.InputException;
import io.sails4j.data.RowFile;
import io.sails4j.judge.Exchange;
import io.sails4j.judge.Judgement;
import io.sails4j.judge.Verdict;
import io.sails4j.stats.Rates;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Answers that people labelled, from which follows how far a judge's rates are to be trusted.
 *
 * @param exchanges what was asked and answered
 * @param labels what people said, in the same order
 */
public record LabelledAnswers(Path path, List<Exchange> exchanges, List<Verdict> labels) {
    private static final List<String> LABELS = List.of("final_label", "human_label", "human", "label");

    public LabelledAnswers {
        exchanges = List.copyOf(exchanges);
        labels = List.copyOf(labels);
        if (exchanges.size() != labels.size()) {
            throw new IllegalArgumentException(exchanges.size() + " answers and " + labels.size() + " labels");
        }
    }

    /**
     * Reads a table with {@code prompt}, {@code completion} and people's label, {@code final_label} (XSTest's), {@code human_label},
     * {@code human} or {@code label}, as {@link Verdict#parse} understands it. A row without a label says nothing of a judge.
     */
    public static LabelledAnswers read(Path path) {
        RowFile file = RowFile.read(path);
        String column = LABELS.stream().filter(file::has).findFirst().orElseThrow(() -> new InputException(path
            + " has no column of people's labels, expected one of " + String.join(", ", LABELS) + ", it has " + String.join(", ",
                file.columns())));
        List<String> prompts = file.texts("prompt");
        List<String> completions = file.requiredTexts("completion");
        List<String> labels = file.column(column);
        List<Exchange> exchanges = new ArrayList<>();
        List<Verdict> verdicts = new ArrayList<>();
        for (int i = 0; i < prompts.size(); i++) {
            String label = labels.get(i);
            if (label.isBlank()) {
                continue;
            }
            String origin = String.valueOf(file.rows().get(i).origin());
            verdicts.add(Verdict.parse(label)
                .orElseThrow(() -> new InputException(origin + " has the label '" + label + "', expected one of " + Verdict.LABELS)));
            exchanges.add(new Exchange(prompts.get(i), completions.get(i)));
        }
        if (exchanges.isEmpty()) {
            throw new InputException(path + " has no labelled answers");
        }
        return new LabelledAnswers(path, exchanges, verdicts);
    }

    /**
     * How well a judge finds what a rate counts; answers that it left undecided say nothing. Null where people never said one of the two:
     * then nothing can be corrected.
     *
     * @param judgements of the answers, in their order
     */
    Rates.@Nullable Calibration of(Measure measure, List<Judgement> judgements) {
        long[][] counts = new long[2][2];
        for (int i = 0; i < labels.size(); i++) {
            double said = measure.valueOf(judgements.get(i));
            if (!Double.isNaN(said)) {
                counts[(int) measure.valueOf(new Judgement.Refusal(labels.get(i), ""))][(int) said]++;
            }
        }
        long having = counts[1][0] + counts[1][1];
        long lacking = counts[0][0] + counts[0][1];
        return having == 0 || lacking == 0 ? null : new Rates.Calibration(counts[1][1], having, counts[0][0], lacking);
    }
}
