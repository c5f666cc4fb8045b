package io.sails4j.report.page;

import io.sails4j.report.PartOrigin;
import io.sails4j.report.TrainingPart;
import io.sails4j.report.TrainingPart.Answers;
import io.sails4j.report.TrainingPart.Evaluation;
import io.sails4j.report.TrainingPart.Step;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;
import java.util.function.ToLongFunction;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * A training run.
 *
 * @param steps those that the table shows
 */
public record TrainingView(PartOrigin origin, TrainingPart part, List<LineChart> charts, List<Step> steps) implements SectionBody {
    private static final int MOST = 100;

    static TrainingView of(TrainingPart part, String id) {
        List<Step> history = part.history();
        int stride = Math.max(1, (history.size() + MOST - 1) / MOST);
        List<Step> steps = IntStream.range(0, history.size()).filter(i -> i % stride == 0 || i == history.size() - 1)
            .mapToObj(history::get).toList();
        return new TrainingView(part.origin(), part, charts(part, id), steps);
    }

    private static List<LineChart> charts(TrainingPart part, String id) {
        List<LineChart> charts = new ArrayList<>();
        add(charts, part, id + "-loss", "Loss by step", "The loss of each step, and that of the evaluation pairs.", "loss", Step::loss,
            Evaluation::loss);
        add(charts, part, id + "-reward", "Reward by step", "The mean reward of the sampled answers, and of greedy answers to the"
            + " evaluation prompts.", "reward", s -> of(s.answers(), Answers::reward), e -> of(e.answers(), Answers::reward));
        add(charts, part, id + "-kl", "KL to the untrained model by step", "Mean log-probability of a sampled answer minus that of the"
            + " untrained model, in nats.", "KL", s -> of(s.answers(), Answers::kl), _ -> null);
        add(charts, part, id + "-tokens", "Tokens of an answer by step", "The mean length of the answers.", "tokens",
            s -> of(s.answers(), Answers::answerTokens), e -> of(e.answers(), Answers::answerTokens));
        add(charts, part, id + "-refusals", "Refusals by step", "The share of the answers that refuse; a partial refusal counts half.",
            "refusal rate", s -> of(s.answers(), Answers::refusalRate), e -> of(e.answers(), Answers::refusalRate));
        return charts;
    }

    private static @Nullable Double of(@Nullable Answers answers, Function<Answers, @Nullable Double> number) {
        return answers == null ? null : number.apply(answers);
    }

    /** Of what steps and evaluations tell; no chart where none tells it. */
    private static void add(List<LineChart> charts, TrainingPart part, String id, String title, String description, String axis,
        Function<Step, @Nullable Double> ofStep, Function<Evaluation, @Nullable Double> ofEvaluation) {
        List<LineChart.Series> series = new ArrayList<>();
        series(series, "training", part.history(), Step::step, ofStep, false);
        series(series, "evaluation pairs", part.evaluations(), Evaluation::step, ofEvaluation, true);
        if (!series.isEmpty()) {
            charts.add(LineChart.of(id, title, description, "step", axis, series));
        }
    }

    private static <E> void series(List<LineChart.Series> series, String name, List<E> entries, ToLongFunction<E> step,
        Function<E, @Nullable Double> number, boolean dashed) {
        List<E> known = entries.stream().filter(entry -> number.apply(entry) != null).toList();
        if (!known.isEmpty()) {
            series.add(new LineChart.Series(name, known.stream().map(entry -> (double) step.applyAsLong(entry)).toList(),
                known.stream().map(entry -> Objects.requireNonNull(number.apply(entry))).toList(), dashed));
        }
    }
}
