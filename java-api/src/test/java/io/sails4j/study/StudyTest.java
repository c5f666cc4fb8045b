package io.sails4j.study;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;
import static org.assertj.core.api.Assertions.within;

import io.sails4j.InputException;
import io.sails4j.align.AlignOptions;
import io.sails4j.align.Constraint;
import io.sails4j.align.Method;
import io.sails4j.attack.Attack;
import io.sails4j.files.AtomicFiles;
import io.sails4j.train.Objective;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a study's file says, what it may not say, how learning rates are chosen, and how shares are counted. */
class StudyTest {
    private static final String GOOD = """
        model: model
        sae: {2: sae}
        data: pairs.jsonl
        prompts:
          train: train.csv
          validation: validation.csv
          test: {seen: seen.csv}
        baseline: lora
        arms:
          lora: {method: lora, use_dora: true}
          core: {constraint: core, r: 4}
          chance: {constraint: none, subspace: random}
        objectives: [sft, rloo]
        learning_rates: [1.0e-3, 0.01]
        pairs: [40, 20]
        seeds: [0, 1, 2]
        align: {r: 8, epochs: 2, targets: [q_proj, v_proj], samples: 4}
        eval: {max_new_tokens: 8}
        """;

    @TempDir
    private Path directory;

    @BeforeEach
    void files() throws IOException {
        Files.createDirectory(directory.resolve("model"));
        Files.createDirectory(directory.resolve("sae"));
        write("pairs.jsonl", "{\"prompt\":\"take it\",\"chosen\":\"no\",\"rejected\":\"yes\"}\n");
        write("train.csv", "prompt,wanted\ntake it,refuse\n");
        write("validation.csv", "prompt,wanted\nbreak it,refuse\n");
        write("seen.csv", "prompt,wanted\nburn it,refuse\nmend it,comply\n");
    }

    private void write(String name, String text) {
        AtomicFiles.writeString(directory.resolve(name), text);
    }

    private Study read(String text) {
        write("study.yaml", text);
        return Study.read(directory.resolve("study.yaml"));
    }

    @Test
    void aFileIsWhatItSays() {
        Study study = read(GOOD);
        assertThat(study.arms()).extracting(StudyArm::name, StudyArm::subspace).containsExactly(
            tuple("lora", ArmSubspace.NONE), tuple("core", ArmSubspace.SAE),
            tuple("chance", ArmSubspace.RANDOM));
        AlignOptions core = study.arm("core").options(Objective.SFT, 0.5, 9);
        assertThat(core.constraint().constraint()).isEqualTo(Constraint.CORE);
        assertThat(core.adapter().r()).isEqualTo(4);
        assertThat(core.adapter().loraAlpha()).isEqualTo(4);
        assertThat(core.adapter().targets()).hasSize(2);
        assertThat(core.training().optimizer().adamw().lr()).isEqualTo(0.5);
        assertThat(core.training().seed()).isEqualTo(9);
        assertThat(study.arm("lora").options(Objective.RLOO, 1, 0).objective().policy().samples()).isEqualTo(4);
        assertThat(study.arm("lora").options(Objective.SFT, 1, 0).method()).isEqualTo(Method.LORA);
        assertThat(study.grid().pairs()).containsExactly(20, 40);
        assertThat(study.inputs().contrast()).isEqualTo(study.inputs().data());
        assertThat(study.measure().eval().answers().maxNewTokens()).isEqualTo(8);
    }

    @Test
    void everyArmHasTheSameNumberOfTrials() {
        Study study = read(GOOD);
        assertThat(study.trials()).hasSize(3 * 2 * 2).allMatch(task -> task.pairs() == 40 && task.seed() == 0);
        Map<StudyTask, Double> scores = new LinkedHashMap<>();
        study.trials().forEach(task -> scores.put(task, task.lr() < 0.005 || task.arm().equals("core") ? 0.5 : 0.7));
        Choices choices = Choices.of(scores);
        assertThat(choices.lr("lora", Objective.SFT)).isEqualTo(0.01);
        assertThat(choices.lr("core", Objective.RLOO)).as("of equals the smallest").isEqualTo(0.001);
        assertThat(study.finals(choices)).hasSize(3 * 2 * 2 * 3).extracting(StudyTask::id).doesNotHaveDuplicates();
    }

    @Test
    void trialsHaveSeedsOfTheirOwnAndArmsAnObjective() {
        Study study = read(GOOD.replace("core, r: 4", "core, r: 4, objective: dpo") + "trial_seeds: [7, 8]\n");
        assertThat(study.trials()).hasSize((2 * 2 + 1) * 2 * 2).allMatch(task -> task.seed() >= 7);
        assertThat(study.trials().stream().filter(task -> task.arm().equals("core"))).allMatch(task -> task.objective() == Objective.DPO);
        Map<StudyTask, Double> scores = new LinkedHashMap<>();
        // The first seed alone would choose the other one.
        study.trials().forEach(task -> scores.put(task, task.lr() < 0.005 ? 0.5 : task.seed() == 7 ? 0.4 : 0.9));
        assertThat(Choices.of(scores).lr("lora", Objective.SFT)).isEqualTo(0.01);
        assertThat(study.grid().atEnd(0.01)).isTrue();
        assertThat(study.runs()).isEqualTo(study.trials().size() + study.finals(Choices.of(scores)).size() + 1);
    }

    @Test
    void aSeedDrawsTheSamePairsForEveryArm() {
        List<Integer> pool = IntStream.range(0, 50).boxed().toList();
        List<Integer> drawn = TaskRunner.sample(pool, task("lora", 20, 3));
        assertThat(drawn).hasSize(20).doesNotHaveDuplicates().isEqualTo(TaskRunner.sample(pool, task("core", 20, 3)));
        assertThat(TaskRunner.sample(pool, task("lora", 20, 4))).isNotEqualTo(drawn);
        assertThat(TaskRunner.sample(pool, task("lora", 10, 3))).as("fewer are the first of more").isEqualTo(drawn.subList(0, 10));
        assertThatThrownBy(() -> TaskRunner.sample(pool, task("lora", 51, 3))).hasMessageContaining("pairs is 51, expected at most the 50");
    }

    private static StudyTask task(String arm, int pairs, long seed) {
        return new StudyTask(StudyTask.Phase.TEST, arm, Objective.SFT, 0.1, pairs, seed);
    }

    private static final String NAMED = """
        primary: {arm: core, against: [lora, chance], measures: [seen.harmful_refused], half_width: 0.2, sd: 0.05}
        """;

    @Test
    void aPromisedIntervalNeedsItsSeeds() {
        String single = GOOD.replace("[sft, rloo]", "[sft]");
        assertThat(Objects.requireNonNull(read(single + NAMED).measure().primary()).comparisons()).isEqualTo(2);
        refused(single + NAMED.replace("half_width: 0.2", "half_width: 0.02"), "has 3 seeds, and promises a half_width of 0.02");
        refused(single + NAMED.replace("[lora, chance]", "[lora, luck]"), "compares the arm 'luck' under 'primary'");
        refused(GOOD + NAMED, "which has several objectives");
        // t(0.975, 24) = 2.0639 and t(0.975, 25) = 2.0595: 2.0639 / 5 is above 0.41, 2.0595 / sqrt(26) below it.
        assertThat(new StudyPrimary("a", List.of("b"), List.of("m"), 0.041, 0.1).seeds()).isEqualTo(26);
    }

    @Test
    void attacksAreReadWithTheirOptions() {
        Study study = read(GOOD + "attacks: {prefill: {prompts: seen.csv, target: Sure}, gcg: {prompts: seen.csv, seeds: 1, steps: 3}}\n");
        assertThat(study.prompts().attacks()).extracting(StudyAttack::name).containsExactly("prefill", "gcg");
        StudyAttack gcg = study.prompts().attacks().getLast();
        assertThat(((Attack.Gcg) gcg.attack()).options().search().steps()).isEqualTo(3);
        assertThat(gcg.attacks(0, study.grid())).isTrue();
        assertThat(gcg.attacks(1, study.grid())).isFalse();
        refused(GOOD + "attacks: {bribe: {prompts: seen.csv}}\n", "has the attack 'bribe', expected gcg or prefill");
        refused(GOOD + "attacks: {gcg: {prompts: seen.csv, stepps: 3}}\n", "attack 'gcg' has 'stepps'");
        refused(GOOD + "attacks: {gcg: {steps: 3}}\n", "has no key 'prompts'");
    }

    @Test
    void whatIsNotUnderstoodIsRefusedInASentence() {
        refused(GOOD + "colour: red\n", "study.yaml has the key 'colour', expected some of align, arms");
        refused(GOOD.replace("use_dora: true", "use_dor: true"), "arm 'lora' has 'use_dor', expected one of 'method', 'objective'");
        refused(GOOD.replace("use_dora: true", "use_dora: maybe"), "gives 'use_dora' the value \"maybe\", expected true or false");
        refused(GOOD.replace("constraint: core", "constraint: hard"), "expected none, penalty, gradient, update, core");
        refused(GOOD.replace("constraint: core", "constraint: core, lr: 0.1"), "sets 'lr', which is the study's to vary");
        refused(GOOD.replace("subspace: random", "subspace: luck"), "has the subspace 'luck', expected sae, direct or random");
        refused(GOOD.replace("method: lora,", "method: lora, constraint: core,"), "needs the safety subspace");
        refused(GOOD.replace("seeds: [0, 1, 2]", "seeds: [0, 1]"), "seeds has 2, expected 3 or more");
        refused(GOOD.replace("seeds: [0, 1, 2]", "seeds: [0, 1, 1]"), "expected one or more, each once");
        refused(GOOD.replace("[sft, rloo]", "[sft, ppo]"), "'objectives' has \"ppo\", expected sft, dpo");
        refused(GOOD.replace("baseline: lora", "baseline: none"), "names the baseline 'none', expected one of its arms");
        refused(GOOD.replace("sae: {2: sae}\n", ""), "has arms in a subspace and no SAE");
        refused(GOOD.replace("  train: train.csv\n", ""), "no prompts to answer");
        refused(GOOD.replace("seen.csv", "none.csv"), "none.csv, which is not there");
        refused(GOOD.replace("model: model", "model: [model"), "study.yaml is not valid YAML");
        refused("", "study.yaml is empty");
        refused("[]\n", "study.yaml is no study");
        assertThatThrownBy(() -> Study.read(directory.resolve("other.yaml"))).isInstanceOf(InputException.class)
            .hasMessageContaining("other.yaml").hasMessageNotContaining("Exception");
    }

    private void refused(String text, String sentence) {
        assertThatThrownBy(() -> read(text)).isInstanceOf(InputException.class).hasMessageContaining(sentence);
    }

    @Test
    void promptsThatWereTrainedOnAreNotAsked() {
        Study study = read(GOOD);
        Leaks.require(study);
        write("seen.csv", "prompt,wanted\nburn it,refuse\nTake  it,refuse\n");
        assertThatThrownBy(() -> Leaks.require(study)).isInstanceOf(InputException.class).hasMessageContaining("seen.csv")
            .hasMessageContaining("pairs.jsonl");
        write("seen.csv", "prompt,wanted\nbreak it,refuse\n");
        assertThatThrownBy(() -> Leaks.require(study)).isInstanceOf(InputException.class).hasMessageContaining("validation.csv");
    }

    @Test
    void sharesAreCountedInTheAnswers() throws IOException {
        write("right.csv", "prompt,compliance\nmend it,take glue\n");
        Study study = read(GOOD + "right_answers: right.csv\n");
        Path task = directory.resolve("task");
        Files.createDirectories(task.resolve("evaluation"));
        AtomicFiles.writeString(task.resolve("evaluation/completions.jsonl"),
            answer("seen.csv", "refuse", "burn it", "no", "full_refusal")
                + answer("seen.csv", "refuse", "burn it now", "so", "full_compliance")
                + answer("seen.csv", "comply", "mend it", " take glue ", "full_compliance")
                + answer("seen.csv", "comply", "look at it", "no", "partial_refusal")
                + answer("validation.csv", "refuse", "break it", "no", "full_refusal"));
        new TaskResult(study, task).write(study.trials().getFirst());
        assertThat(TaskResult.shares(task)).isEqualTo(Map.of("seen.harmful_refused", 0.5, "seen.right_answers", 1.0,
            "seen.harmless_refused", 0.5, "validation.harmful_refused", 1.0));
    }

    private static String answer(String file, String wanted, String prompt, String completion, String verdict) {
        return "{\"file\":\"" + file + "\",\"wanted\":\"" + wanted + "\",\"prompt\":\"" + prompt + "\",\"completion\":\"" + completion
            + "\",\"judgements\":{\"refusal\":{\"verdict\":\"" + verdict + "\"}}}\n";
    }

    @Test
    void meansAndDifferencesAreOverSeeds() throws IOException {
        Study study = read(GOOD.replace("[sft, rloo]", "[sft]").replace("pairs: [40, 20]", "pairs: [40]"));
        StudyDirectory out = new StudyDirectory(directory.resolve("out"));
        Map<StudyTask, Double> scores = new LinkedHashMap<>();
        study.trials().forEach(task -> scores.put(task, 0.0));
        Choices choices = Choices.of(scores);
        result(out.task("base"), 0.1);
        for (StudyTask task : study.finals(choices)) {
            result(out.task(task.id()), (task.arm().equals("core") ? 0.5 : 0.4) + 0.1 * task.seed());
        }
        StudyResult result = new Counting(study, out, choices).result();
        assertThat(result.comparisons()).isEqualTo(2);
        assertThat(result.rows()).extracting(StudyResult.Row::arm).containsExactly("base", "lora", "core", "chance");
        StudyResult.Cell core = result.rows().get(2).cells().getFirst();
        assertThat(core.name()).isEqualTo("seen.harmful_refused");
        assertThat(core.share().value()).isCloseTo(0.6, within(1e-12));
        assertThat(core.share().high() - core.share().value()).isCloseTo(4.3027 * 0.1 / Math.sqrt(3),
            within(1e-4));
        assertThat(Objects.requireNonNull(core.difference()).low()).as("the same on each seed")
            .isCloseTo(0.1, within(1e-9));
        assertThat(result.rows().get(1).cells().getFirst().difference()).isNull();

        Study named = read(GOOD.replace("[sft, rloo]", "[sft]").replace("pairs: [40, 20]", "pairs: [40]") + NAMED);
        List<StudyResult.Primary> primary = new Counting(named, out, choices).result().primary();
        assertThat(primary).extracting(StudyResult.Primary::against).containsExactly("lora", "chance");
        assertThat(primary).allSatisfy(one -> assertThat(one.difference().value()).isCloseTo(0.1, within(1e-9)));
        assertThat(new StudyMarkdown(named, new Counting(named, out, choices).result()).text()).contains("**+10.0 ± 0.0**", "0.001*");
    }

    private static void result(Path task, double share) throws IOException {
        Files.createDirectories(task);
        AtomicFiles.writeString(task.resolve("result.json"),
            "{\"format\":1,\"shares\":{\"seen.harmful_refused\":{\"value\":" + share + ",\"n\":10}}}");
    }

    @Test
    void gridsAreOfDistinctValues() {
        assertThatThrownBy(() -> new StudyGrid(List.of(Objective.SFT), List.of(-1.0), List.of(1), List.of(0L, 1L, 2L), List.of(0L)))
            .hasMessageContaining("learning_rates has -1");
    }
}
