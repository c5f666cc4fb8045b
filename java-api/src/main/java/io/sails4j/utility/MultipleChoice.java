package io.sails4j.utility;

import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.data.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Questions answered by likelihood: prompts, continuations and tokens as lm-evaluation-harness has them (lm_eval/tasks/mmlu/default and
 * lm_eval/tasks/arc; lm_eval/api/model.py, _encode_pair), with BOS in front.
 */
public final class MultipleChoice {
    private final TokenLosses losses;
    private final Tokenizer tokenizer;
    private final ModelConfig model;
    private final ChoiceForm form;
    private final List<ChoiceQuestion> examples;
    private final int shots;

    /**
     * Questions by a model.
     *
     * @param examples of which the first of a question's subject stand before it with their answers
     * @param shots how many
     */
    public MultipleChoice(TokenLosses losses, Tokenizer tokenizer, ModelConfig model, ChoiceForm form, List<ChoiceQuestion> examples,
        int shots) {
        this.losses = losses;
        this.tokenizer = tokenizer;
        this.model = model;
        this.form = form;
        this.examples = List.copyOf(examples);
        this.shots = shots;
        InputException.requireOption(shots >= 0, "shots", shots, "0 or more examples");
    }

    /** What the model thinks of the choices of a question. */
    public ChoiceScores scores(ChoiceQuestion question) {
        String prompt = prompt(question);
        int[] context = tokenizer.encodeWithBos(prompt);
        List<int[]> continuations = new ArrayList<>();
        List<String> answers = answers(question);
        for (String answer : answers) {
            int[] whole = tokenizer.encodeWithBos(prompt + " " + answer);
            if (whole.length <= context.length) {
                throw new InputException(question.origin() + ": the choice '" + answer + "' has no tokens of its own; expected text");
            }
            if (whole.length - 1 > model.maxPositionEmbeddings()) {
                throw new InputException(question.origin() + " is a question of " + whole.length + " tokens with shots=" + shots
                    + ", and the model has max_position_embeddings of " + model.maxPositionEmbeddings()
                    + "; take fewer shots, or leave it out");
            }
            continuations.add(Arrays.copyOfRange(whole, context.length, whole.length));
        }
        return new ChoiceScores(losses.logLikelihoods(context, continuations),
            answers.stream().mapToInt(answer -> answer.codePointCount(0, answer.length())).toArray());
    }

    /** The text before the answer. */
    public String prompt(ChoiceQuestion question) {
        StringBuilder text = new StringBuilder();
        if (form == ChoiceForm.LETTER) {
            text.append("The following are multiple choice questions (with answers) about ").append(question.subject()).append(".\n\n");
        }
        for (ChoiceQuestion example : examples(question)) {
            text.append(asked(example)).append(' ').append(answers(example).get(example.answer())).append("\n\n");
        }
        return text.append(asked(question)).toString();
    }

    private List<ChoiceQuestion> examples(ChoiceQuestion question) {
        List<ChoiceQuestion> ofSubject = shots == 0 ? List.of()
            : examples.stream().filter(example -> example.subject().equals(question.subject())).limit(shots).toList();
        if (ofSubject.size() < shots) {
            throw new InputException("the subject '" + question.subject() + "' of " + question.origin() + " has " + ofSubject.size()
                + " examples, expected shots=" + shots + "; give a file with more of them, or take fewer");
        }
        return ofSubject;
    }

    private String asked(ChoiceQuestion question) {
        if (form == ChoiceForm.TEXT) {
            return "Question: " + question.question() + "\nAnswer:";
        }
        StringBuilder text = new StringBuilder(question.question().strip()).append('\n');
        for (int i = 0; i < question.choices().size(); i++) {
            text.append(ChoiceQuestion.letter(i)).append(". ").append(question.choices().get(i)).append('\n');
        }
        return text.append("Answer:").toString();
    }

    private List<String> answers(ChoiceQuestion question) {
        return form == ChoiceForm.TEXT ? question.choices()
            : IntStream.range(0, question.choices().size()).mapToObj(ChoiceQuestion::letter).toList();
    }
}
