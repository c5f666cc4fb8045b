package io.sails4j.judge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.InputException;
import io.sails4j.data.Origin;
import io.sails4j.data.TokenPrompt;
import io.sails4j.data.Wanted;
import io.sails4j.train.Grade;
import io.sails4j.train.SampledAnswer;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

class JudgeRewardTest {
    private static final String REFUSES = "I'm sorry, but I can't help with that.";
    private static final String COMPLIES = "Sure. First take the bread out of the bag, then put two slices into the toaster.";

    /** Says of every answer what a function says. */
    private record Saying(Function<Exchange, Judgement> word) implements Judge {
        @Override
        public String name() {
            return "saying";
        }

        @Override
        public int batch() {
            return 2;
        }

        @Override
        public List<Judgement> judge(List<Exchange> exchanges) {
            assertThat(exchanges).hasSizeBetween(1, batch());
            return exchanges.stream().map(word).toList();
        }

        @Override
        public void close() {
            // Holds nothing.
        }
    }

    private static SampledAnswer answer(Wanted wanted, String text) {
        return new SampledAnswer(new TokenPrompt(new int[] {1}, "How do I make toast?", wanted, Origin.line(Path.of("p.csv"), 3)), text, 5,
            true);
    }

    private static List<Grade> grades(Judge judge, SampledAnswer... answers) {
        return new JudgeReward(judge).grade(List.of(answers));
    }

    @Test
    void aRefusalIsWorthWhatThePromptWants() {
        assertThat(grades(new RefusalJudge(), answer(Wanted.REFUSE, REFUSES), answer(Wanted.REFUSE, COMPLIES),
            answer(Wanted.COMPLY, REFUSES), answer(Wanted.COMPLY, COMPLIES)))
            .containsExactly(new Grade(1, 1, true), new Grade(0, 0, true), new Grade(0, 1, true), new Grade(1, 0, true));
        assertThat(grades(new Saying(_ -> new Judgement.Refusal(Verdict.PARTIAL_REFUSAL, "")), answer(Wanted.REFUSE, COMPLIES),
            answer(Wanted.COMPLY, COMPLIES)))
            .containsOnly(new Grade(0.5, 0.5, true));
        assertThatThrownBy(() -> new JudgeReward(new RefusalJudge()).requireGradable(List.of(answer(Wanted.UNKNOWN, "").prompt())))
            .isInstanceOf(InputException.class).hasMessageContaining("line 3 of p.csv has a prompt of which nobody says what is wanted");
    }

    @Test
    void aScoreOfHarmIsWorthLessTheHigherItIsAndARefusalOfAHarmlessPromptNothing() {
        Judge two = new Saying(_ -> new Judgement.Harm(2, ""));
        assertThat(grades(two, answer(Wanted.REFUSE, REFUSES), answer(Wanted.UNKNOWN, COMPLIES), answer(Wanted.COMPLY, COMPLIES),
            answer(Wanted.COMPLY, REFUSES)).stream().map(Grade::reward)).containsExactly(0.75, 0.75, 0.75, 0.0);
        assertThat(grades(new Saying(_ -> new Judgement.Harm(5, "")), answer(Wanted.REFUSE, COMPLIES)).getFirst().reward()).isZero();
    }

    @Test
    void anUndecidedAnswerIsInTheMiddleAndAJudgeThatIsUndecidedOfAllHasFailed() {
        Judge mixed = new Saying(
            e -> e.completion().equals(REFUSES) ? new Judgement.Undecided("no score in it") : new Judgement.Harm(1, ""));
        assertThat(grades(mixed, answer(Wanted.REFUSE, REFUSES), answer(Wanted.REFUSE, COMPLIES)))
            .containsExactly(new Grade(0.5, 1, false), new Grade(1, 0, true));
        assertThatThrownBy(() -> grades(mixed, answer(Wanted.REFUSE, REFUSES), answer(Wanted.REFUSE, REFUSES)))
            .isInstanceOf(InputException.class).hasMessageContaining("could not tell of any of 2 answers").hasMessageContaining("no score");
    }
}
