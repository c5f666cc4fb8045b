package io.sails4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sails4j.InputException;
import io.sails4j.demo.BpeTrainer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The same four dialogues in the forms that people have them: the same tokens of both families, or a reason. */
class DataCasesTest {
    private static final Path CASES = Path.of(System.getProperty("sails.data", "../../shared/data")).resolveSibling("cases");
    private static final List<String> CORPUS = List.of("How do I bake bread? Mix flour, water, yeast and salt, then bake. Seven. Nine. No.",
        "user assistant model system You are helpful.");
    @TempDir
    private static Path directory;

    @BeforeAll
    static void learn() {
        assumeTrue(Files.isDirectory(CASES), () -> "skipped: the cases " + CASES + " are absent");
        for (ControlTokens family : ControlTokens.values()) {
            BpeTrainer.train(CORPUS, 400, family, directory.resolve(family.name()).resolve("tokenizer.json"));
        }
    }

    private static PreferenceData load(String file, ControlTokens family) {
        return PreferenceData.load(CASES.resolve(file), directory.resolve(family.name()), DataOptions.defaults());
    }

    private static List<List<int[]>> ids(PreferenceData data) {
        return data.pairs().stream().map(p -> List.of(p.aligned().ids(), p.unaligned().ids())).toList();
    }

    @ParameterizedTest
    @CsvSource({"full-hh/full_hh.jsonl, full-hh-rlhf", "full-hh/hh_ok.jsonl, HH-RLHF", "ultrafeedback/ultrafeedback.jsonl, UltraFeedback",
        "json-values/nan.jsonl, TRL", "json-values/nullprompt.jsonl, HH-RLHF", "json-values/array.json, TRL", "json-values/trl.jsonl, TRL"})
    void theSameDialoguesAreTheSameTokens(String file, String format) {
        for (ControlTokens family : ControlTokens.values()) {
            PreferenceData read = load(file, family);
            PreferenceData plain = load("full-hh/trl.jsonl", family);
            assertThat(ids(read)).usingRecursiveComparison().isEqualTo(ids(plain));
            assertThat(read.pairs()).hasSize(4);
            assertThat(read.notes()).hasSize(3);
            assertThat(read.notes().getFirst()).contains("4 pairs from 4 ", "read as " + format);
            assertThat(read.notes().getLast()).contains("first pair", "bread?", "aligned \"Mix flour", "unaligned \"No.");
        }
    }

    @Test
    void aSystemTurnIsReadWhereTheTemplateKnowsIt() {
        PreferenceData read = load("system-turn/system.jsonl", ControlTokens.LLAMA3);
        assertThat(read.pairs()).hasSize(4);
        try (Tokenizer tokenizer = Tokenizer.load(directory.resolve(ControlTokens.LLAMA3.name()))) {
            int[] prompt = new ChatTemplate(tokenizer)
                .prompt(List.of(new Message("system", "You are helpful."), new Message("user", "How do I bake bread?")));
            assertThat(read.pairs().getFirst().aligned().ids()).startsWith(prompt);
        }
        assertThatThrownBy(() -> load("system-turn/system.jsonl", ControlTokens.GEMMA)).isInstanceOf(InputException.class)
            .hasMessageContainingAll("system.jsonl", "4 pairs left out: a system turn", "lines 1, 2, 3, 4", "first user turn");
    }

    @Test
    void anAnswerOfWhiteSpaceIsEmpty() {
        PreferenceData read = load("nbsp/nbsp.jsonl", ControlTokens.LLAMA3);
        assertThat(read.pairs()).hasSize(1);
        assertThat(read.notes()).anyMatch(note -> note.contains("4 pairs left out: an answer is empty (line 1, 2, 3, 4)"));
    }
}
