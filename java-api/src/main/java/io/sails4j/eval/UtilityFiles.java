package io.sails4j.eval;

import io.sails4j.InputException;
import io.sails4j.utility.ChoiceFile;
import io.sails4j.utility.TextFile;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * By what an evaluation measures how useful the arms are.
 *
 * @param texts of which the perplexity is taken
 * @param choices multiple choice questions
 * @param examples questions whose first of each subject stand before others with their answers, null for none
 * @param benign prompts over whose answers the divergence from the base model is taken
 */
public record UtilityFiles(List<TextFile> texts, List<ChoiceFile> choices, @Nullable ChoiceFile examples, List<PromptFile> benign) {
    public UtilityFiles {
        texts = List.copyOf(texts);
        choices = List.copyOf(choices);
        benign = List.copyOf(benign);
    }

    /** Nothing is measured. */
    public static UtilityFiles none() {
        return new UtilityFiles(List.of(), List.of(), null, List.of());
    }

    boolean isEmpty() {
        return texts.isEmpty() && choices.isEmpty() && benign.isEmpty();
    }

    void require(List<EvalArm> arms, int shots) {
        if (shots > 0 && !choices.isEmpty() && examples == null) {
            throw new InputException("shots=" + shots + " needs examples, and no file of them is given; give one, or shots=0");
        }
        if (examples != null && (shots == 0 || choices.isEmpty())) {
            throw new InputException(
                examples.path() + " holds examples that no question would have before it; expected questions, and shots=1"
                    + " or more");
        }
        if (!benign.isEmpty() && (arms.size() < 2 || !arms.getFirst().name().equals(EvalArm.BASE))) {
            throw new InputException(
                "the divergence from the base model needs an arm '" + EvalArm.BASE + "', the first, and another one, found "
                    + arms.stream().map(EvalArm::name).toList() + "; add an adapter or another model");
        }
    }

    /** The first documents of each text, questions of each subject, and prompts of each file; 0 = all. */
    UtilityFiles limitedTo(int most) {
        return most == 0 ? this
            : new UtilityFiles(
                texts.stream().map(file -> new TextFile(file.path(), file.column(), first(file.documents(), most), file.notes())).toList(),
                choices.stream().map(file -> file.firstOfEachSubject(most)).toList(), examples,
                benign.stream().map(file -> new PromptFile(file.path(), file.format(), first(file.prompts(), most), file.notes()))
                    .toList());
    }

    private static <T> List<T> first(List<T> all, int most) {
        return all.subList(0, Math.min(most, all.size()));
    }
}
