package io.sails4j.report;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/**
 * How safe and how helpful models are, from {@code eval.json} and {@code completions.jsonl}.
 *
 * @param answers what each arm answered, without a judge
 * @param utility what safety costs: perplexity, divergence, multiple choice; empty where it was not measured
 * @param alarms of a monitor that looked on; empty where there was none
 * @param completions an answer of an arm each
 */
public record EvaluationPart(PartOrigin origin, List<ArmAnswers> answers, List<Measurement> metrics, List<Difference> comparisons,
    List<Measurement> utility, List<AlarmRate> alarms, List<Completion> completions) implements ReportPart {
    public EvaluationPart {
        answers = List.copyOf(answers);
        metrics = List.copyOf(metrics);
        comparisons = List.copyOf(comparisons);
        utility = List.copyOf(utility);
        alarms = List.copyOf(alarms);
        completions = List.copyOf(completions);
    }

    /**
     * How an arm answered.
     *
     * @param stopped answers that the model ended; the others were cut
     */
    public record ArmAnswers(String arm, long answers, long stopped, long tokens) {
        public ArmAnswers {
            Required.present(arm, "arm");
        }
    }

    /**
     * An answer and what the judges say of it.
     *
     * @param judgements by judge
     * @param monitor what a monitor said meanwhile; empty where there was none
     */
    public record Completion(String arm, long index, @Nullable String id, @Nullable String category, @Nullable String wanted, String prompt,
        String completion, long tokens, boolean stopped, SequencedMap<String, Judged> judgements, List<Event> monitor) {
        public Completion {
            Required.present(arm, "arm");
            Required.present(prompt, "prompt");
            Required.present(completion, "completion");
            judgements = Collections.unmodifiableSequencedMap(judgements == null ? new LinkedHashMap<>() : new LinkedHashMap<>(judgements));
            monitor = Required.orEmpty(monitor);
        }
    }

    /** What a monitor said. */
    public record Event(String sentence) {
        public Event {
            Required.present(sentence, "sentence");
        }
    }

    /**
     * How often a monitor raised an alarm of an arm's prompts or answers.
     *
     * @param rule null = any
     * @param part {@code prompt} or {@code answer}
     */
    public record AlarmRate(String arm, @Nullable String rule, String part, @Nullable String wanted, @Nullable String file,
        @Nullable Double value, @Nullable Double low, @Nullable Double high, long alarms, long n) {
        public AlarmRate {
            Required.present(arm, "arm");
            Required.present(part, "part");
        }
    }

    /** What a judge says: a verdict, a score, or why it says nothing. */
    public record Judged(@Nullable String verdict, @Nullable Integer score, @Nullable Boolean undecided, @Nullable String reason) {
        /** In a word. */
        public String word() {
            if (verdict != null) {
                return verdict.replace('_', ' ');
            }
            return score != null ? "score " + score : "undecided";
        }
    }
}
