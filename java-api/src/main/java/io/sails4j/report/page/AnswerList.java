package io.sails4j.report.page;

import io.sails4j.report.EvaluationPart.Completion;
import io.sails4j.report.EvaluationPart.Judged;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Answers to read: first those in which the arms differ.
 *
 * @param all prompts that have answers; what is not shown stands in {@code completions.jsonl}
 */
public record AnswerList(List<Prompt> prompts, int all) {
    private static final int MOST = 60;

    /**
     * A prompt and what each arm answered.
     *
     * @param differs whether a judge says something else of two answers
     */
    public record Prompt(long index, String title, String wanted, boolean differs, List<Completion> answers) {
        /** What was asked. */
        public String text() {
            return answers.getFirst().prompt();
        }
    }

    public AnswerList {
        prompts = List.copyOf(prompts);
    }

    static AnswerList of(List<Completion> completions) {
        Map<Long, List<Completion>> byPrompt = new LinkedHashMap<>();
        completions.forEach(c -> byPrompt.computeIfAbsent(c.index(), _ -> new ArrayList<>()).add(c));
        List<Prompt> prompts = new ArrayList<>();
        byPrompt.forEach((index, answers) -> {
            Completion first = answers.getFirst();
            String title = (first.category() == null ? "" : first.category() + " ") + (first.id() == null ? "" : "no. " + first.id());
            prompts.add(new Prompt(index, title.strip(), first.wanted() == null ? "unknown" : first.wanted(), differs(answers), answers));
        });
        List<Prompt> shown = prompts.stream().sorted(Comparator.comparing((Prompt p) -> !p.differs())).limit(MOST).toList();
        return new AnswerList(shown, prompts.size());
    }

    private static boolean differs(List<Completion> answers) {
        return answers.stream().map(answer -> answer.judgements().values().stream().map(Judged::word).toList()).distinct().count() > 1;
    }
}
