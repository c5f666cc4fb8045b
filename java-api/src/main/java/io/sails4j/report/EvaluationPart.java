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
 * @param completions an answer of an arm each
 */
public record EvaluationPart(PartOrigin origin, List<ArmAnswers> answers, List<Measurement> metrics, List<Difference> comparisons,
    List<Measurement> utility, List<Completion> completions) implements ReportPart {
    public EvaluationPart {
        answers = List.copyOf(answers);
        metrics = List.copyOf(metrics);
        comparisons = List.copyOf(comparisons);
        utility = List.copyOf(utility);
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
     */
    public record Completion(String arm, long index, @Nullable String id, @Nullable String category, @Nullable String wanted, String prompt,
        String completion, long tokens, boolean stopped, SequencedMap<String, Judged> judgements) {
        public Completion {
            Required.present(arm, "arm");
            Required.present(prompt, "prompt");
            Required.present(completion, "completion");
            judgements = Collections.unmodifiableSequencedMap(judgements == null ? new LinkedHashMap<>() : new LinkedHashMap<>(judgements));
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
