package io.sails4j.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.InputException;
import io.sails4j.judge.Verdict;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LabelledAnswersTest {
    @TempDir
    private Path directory;

    private Path table(String... labels) throws IOException {
        StringBuilder text = new StringBuilder("prompt,completion,final_label\n");
        for (String label : labels) {
            text.append("a question,an answer,").append(label).append('\n');
        }
        return Files.writeString(directory.resolve("labels.csv"), text);
    }

    @Test
    void everySpellingOfALabel() throws IOException {
        LabelledAnswers answers = LabelledAnswers.read(table("1_full_compliance", "full refusal", "3", "Partial-Refusal", "2.0"));
        assertThat(answers.labels()).containsExactly(Verdict.FULL_COMPLIANCE, Verdict.FULL_REFUSAL, Verdict.PARTIAL_REFUSAL,
            Verdict.PARTIAL_REFUSAL, Verdict.FULL_REFUSAL);
    }

    @Test
    void aRowWithoutALabelSaysNothing() throws IOException {
        LabelledAnswers answers = LabelledAnswers.read(table("1", "", "2"));
        assertThat(answers.labels()).containsExactly(Verdict.FULL_COMPLIANCE, Verdict.FULL_REFUSAL);
        assertThat(answers.exchanges()).hasSize(2);
    }

    @Test
    void anotherNumberThanTheLabelsOwnIsNoLabel() throws IOException {
        Path file = table("1", "2_full_compliance");
        assertThatThrownBy(() -> LabelledAnswers.read(file)).isInstanceOf(InputException.class)
            .hasMessageContainingAll("2_full_compliance", "expected one of full_compliance");
    }
}
