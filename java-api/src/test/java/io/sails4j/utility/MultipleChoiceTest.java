package io.sails4j.utility;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sails4j.InputException;
import io.sails4j.data.Origin;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Questions as files have them and as the model reads them, and which choice is taken. */
class MultipleChoiceTest {
    @TempDir
    private Path directory;

    private ChoiceQuestion question(String text, int answer, String... choices) {
        return new ChoiceQuestion(text, List.of(choices), answer, "sea life", Origin.line(directory, 1));
    }

    private static MultipleChoice choice(UtilityWorld world, ChoiceForm form, int shots, ChoiceQuestion... examples) {
        return new MultipleChoice(world.losses, world.tokenizer, world.model.config(), form, List.of(examples), shots);
    }

    /** ln p -4, -6, -5 of 4, 10 and 5 characters: -1, -0.6, -1 each. */
    @Test
    void whichIsTaken() {
        ChoiceScores scores = new ChoiceScores(new double[] {-4, -6, -5}, new int[] {4, 10, 5});
        assertThat(scores.likeliest()).isZero();
        assertThat(scores.likeliestByLength()).isEqualTo(1);
        ChoiceScores even = new ChoiceScores(new double[] {-3, -2, -2}, new int[] {1, 1, 1});
        assertThat(even.likeliest()).isEqualTo(1);
        assertThat(even.likeliestByLength()).isEqualTo(1);
    }

    @Test
    void lettersBehindTheQuestion() {
        ChoiceQuestion asked = question(" who is a fish? ", 1, "a dog", "a cod", "a cat", "a cow");
        ChoiceQuestion example = question("who swims?", 2, "a dog", "a bed", "a cod", "a cow");
        try (UtilityWorld world = new UtilityWorld(directory)) {
            MultipleChoice plain = choice(world, ChoiceForm.LETTER, 0);
            String expected = "who is a fish?\nA. a dog\nB. a cod\nC. a cat\nD. a cow\nAnswer:";
            String header = "The following are multiple choice questions (with answers) about sea life.\n\n";
            assertThat(plain.prompt(asked)).isEqualTo(header + expected);
            assertThat(choice(world, ChoiceForm.LETTER, 1, example, asked).prompt(asked))
                .isEqualTo(header + "who swims?\nA. a dog\nB. a bed\nC. a cod\nD. a cow\nAnswer: C\n\n" + expected);
            // 128 positions do not hold the header in single characters.
            assertThatThrownBy(() -> plain.scores(asked)).isInstanceOf(InputException.class)
                .hasMessageContaining("max_position_embeddings of 128");
            assertThatThrownBy(() -> choice(world, ChoiceForm.LETTER, 2, example).prompt(asked)).isInstanceOf(InputException.class)
                .hasMessageContaining("has 1 examples").hasMessageContaining("shots=2");
            int[] context = world.tokenizer.encodeWithBos(expected);
            List<int[]> letters = List.of(world.tokenizer.encodeText(" A"), world.tokenizer.encodeText(" C"));
            assertThat(letters).allMatch(ids -> ids.length == 1);
            double[] together = world.losses.logLikelihoods(context, letters);
            for (int i = 0; i < letters.size(); i++) {
                int[] ids = Arrays.copyOf(context, context.length + 1);
                ids[context.length] = letters.get(i)[0];
                assertThat(together[i]).isCloseTo(world.logLikelihood(ids, context.length), within(2e-5));
            }
        }
    }

    @Test
    void textsBehindTheQuestion() {
        ChoiceQuestion asked = question("who is a fish?", 1, "a dog", "a sea cod");
        try (UtilityWorld world = new UtilityWorld(directory)) {
            MultipleChoice choice = choice(world, ChoiceForm.TEXT, 0);
            assertThat(choice.prompt(asked)).isEqualTo("Question: who is a fish?\nAnswer:");
            ChoiceScores scores = choice.scores(asked);
            assertThat(scores.lengths()).containsExactly(5, 9);
            int[] context = world.tokenizer.encodeWithBos(choice.prompt(asked));
            for (int i = 0; i < 2; i++) {
                int[] ids = world.tokenizer.encodeWithBos(choice.prompt(asked) + " " + asked.choices().get(i));
                assertThat(scores.logLikelihoods()[i]).isCloseTo(world.logLikelihood(ids, context.length), within(10 * 2e-5));
            }
        }
    }

    private ChoiceFile file(String name, String content) throws IOException {
        return ChoiceFile.read(Files.writeString(directory.resolve(name), content));
    }

    @Test
    void filesOfQuestions() throws IOException {
        ChoiceFile mmlu = file("high_school_biology_test.csv", "Which?,a,\"b, c\",d,e,B\nWho?,4,4,6,8,D\n");
        assertThat(mmlu.questions()).extracting(ChoiceQuestion::answer).containsExactly(1, 3);
        assertThat(mmlu.questions().getFirst().choices()).containsExactly("a", "b, c", "d", "e");
        assertThat(mmlu.subjects()).containsExactly("high school biology");
        assertThat(file("t.csv", "question,A,B,C,D,answer\nWhich?,a,b,c,d,C\n").questions()).extracting(ChoiceQuestion::answer)
            .containsExactly(2);
        ChoiceFile cais = file("c.jsonl", "{\"question\":\"q\",\"subject\":\"a_b\",\"choices\":[\"x\",\"y\"],\"answer\":1}\n"
            + "{\"question\":\"q\",\"subject\":\"c\",\"choices\":[\"x\",\"y\"],\"answer\":\"A\"}\n"
            + "{\"question\":\"r\",\"subject\":\"c\",\"choices\":[\"x\",\"y\"],\"answer\":0}\n");
        assertThat(cais.questions()).extracting(ChoiceQuestion::answer).containsExactly(1, 0, 0);
        assertThat(cais.subjects()).containsExactly("a b", "c");
        assertThat(cais.firstOfEachSubject(1).questions()).hasSize(2);
        ChoiceFile arc = file("arc.jsonl", "{\"question\":\"q\",\"choices\":{\"text\":[\"x\",\"y\",\"z\"],"
            + "\"label\":[\"1\",\"2\",\"3\"]},\"answerKey\":\"2\"}\n");
        assertThat(arc.questions().getFirst().answer()).isEqualTo(1);
        Path all = Files.createDirectory(directory.resolve("all"));
        Files.writeString(all.resolve("b_dev.csv"), "Who?,4,4,6,8,D\n");
        Files.writeString(all.resolve("a_dev.csv"), "Who?,4,4,6,8,D\n");
        assertThat(ChoiceFile.read(all).subjects()).containsExactly("a", "b");
    }

    @Test
    void rowsThatAreNoQuestions() throws IOException {
        refused("w.csv", "a,b\n1,2\n", "has the columns a, b", "question, choices and answer");
        refused("x.csv", "Which?,a,b,c,d,E\nWhich?,a,b,c,d,A\n", "line 1 of", "the answer 'E'");
        refused("y.jsonl", "{\"question\":\"q\",\"choices\":\"[1\",\"answer\":0}\n", "'choices' of line 1");
        refused("z.jsonl", "{\"question\":\"q\",\"choices\":[\"x\",\"y\"],\"answer\":2}\n", "2 choices and the answer '2'");
        refused("v.jsonl", "{\"question\":\"\",\"choices\":[\"x\",\"y\"],\"answer\":1}\n", "empty question");
    }

    private void refused(String name, String content, String... parts) throws IOException {
        Path file = Files.writeString(directory.resolve(name), content);
        assertThatThrownBy(() -> ChoiceFile.read(file)).isInstanceOf(InputException.class)
            .satisfies(e -> assertThat(e.getMessage()).contains(parts));
    }
}
