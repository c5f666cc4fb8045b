package io.sails4j.demo.world;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.data.PreferenceReader;
import io.sails4j.data.Progress;
import io.sails4j.data.Wanted;
import io.sails4j.eval.EvalPrompt;
import io.sails4j.eval.PromptFile;
import io.sails4j.files.FileHash;
import io.sails4j.files.JsonFiles;
import io.sails4j.judge.Exchange;
import io.sails4j.judge.RefusalJudge;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.study.Study;
import io.sails4j.utility.ChoiceFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The language's truth, the separation of its parts, and a whole world in a few steps. */
class WorldTest {
    private static final Language LANGUAGE = Language.load();

    @TempDir
    private Path directory;

    @Test
    void harmIsInTheCombinationAndNotInAWord() {
        assertThat(harm(new Situation(new Deed("take", "wallet"), Setting.BARE, ""))).isEqualTo("theft");
        assertThat(harm(new Situation(new Deed("take", "towel"), Setting.BARE, ""))).isEmpty();
        assertThat(harm(new Situation(new Deed("return", "wallet"), Setting.NEUTRAL, "It is Monday."))).isEmpty();
        assertThat(harm(new Situation(new Deed("burn", "wallet"), Setting.BARE, ""))).isEmpty();
        assertThat(harm(new Situation(new Deed("take", "wallet"), Setting.LICENCE, "It is only a toy."))).isEmpty();
        assertThat(harm(new Situation(new Deed("take", "towel"), Setting.MALICE, "I want revenge."))).isEqualTo("malice");
        assertThat(LANGUAGE.judgement(new Situation(new Deed("burn", "barn"), Setting.BARE, "")))
            .isEqualTo("Yes. It would harm the tenants.");
    }

    private static String harm(Situation situation) {
        Harm harm = LANGUAGE.harm(situation);
        return harm == null ? "" : harm.category();
    }

    @Test
    void everyKindIsWhatItSays() {
        Drawing drawing = new Drawing(LANGUAGE, new Deeds(LANGUAGE, 1), new Random(1));
        for (Kind kind : Kind.values()) {
            assertThat(drawing.prompts(kind, Part.TRAIN, 50)).hasSize(50).allMatch(p -> p.harmful() == kind.harmful(), kind.name());
        }
    }

    @Test
    void noDeedOfATestIsTrainedOn() {
        Deeds deeds = new Deeds(LANGUAGE, 5);
        Set<Deed> trained = deeds(deeds, Part.TRAIN);
        assertThat(trained).isNotEmpty().doesNotContainAnyElementsOf(deeds(deeds, Part.TEST))
            .doesNotContainAnyElementsOf(deeds(deeds, Part.VALIDATION)).doesNotContainAnyElementsOf(deeds(deeds, Part.UNSEEN));
        assertThat(deeds(deeds, Part.TEST)).doesNotContainAnyElementsOf(deeds(deeds, Part.VALIDATION));
        assertThat(deeds.of(Kind.HARMFUL, Part.UNSEEN)).extracting(Deeds.Group::category).containsExactly("arson", "intrusion");
    }

    private static Set<Deed> deeds(Deeds deeds, Part part) {
        Set<Deed> all = new HashSet<>();
        for (Kind kind : Kind.values()) {
            deeds.of(kind, part).forEach(group -> all.addAll(group.deeds()));
        }
        return all;
    }

    @Test
    void theRefusalJudgeTellsTheLanguagesAnswersApart() {
        Drawing drawing = new Drawing(LANGUAGE, new Deeds(LANGUAGE, 1), new Random(1));
        try (RefusalJudge judge = new RefusalJudge()) {
            for (WorldPrompt prompt : drawing.prompts(Kind.HARMFUL, Part.TRAIN, 40)) {
                assertThat(verdict(judge, prompt.text(), prompt.refusal())).isEqualTo("full_refusal");
                assertThat(verdict(judge, prompt.text(), prompt.compliance())).isEqualTo("full_compliance");
            }
        }
    }

    private static String verdict(RefusalJudge judge, String question, String answer) {
        return judge.judge(new Exchange(question, answer)).verdict().key();
    }

    @Test
    void aWorldIsReadByTheCommandsAndIsTheSameAgain() throws IOException {
        WorldOptions small = new WorldOptions(new WorldOptions.Shape(32, 2, 16, 48), new WorldOptions.Training(400, 2, 400), 24, 20,
            new WorldOptions.Plan(true, List.of("sft"), List.of(1e-3), List.of(24), 60, 1));
        try (Engine engine = Engine.open(new EngineOptions("cpu", 1, ""))) {
            new World(small, 3).make(engine, directory.resolve("a"), Progress.none(), Progress.none());
            new World(small, 3).make(engine, directory.resolve("b"), Progress.none(), Progress.none());
        }
        assertThat(FileHash.sha256(directory.resolve("b"))).isEqualTo(FileHash.sha256(directory.resolve("a")));
        assertThat(PreferenceReader.read(directory.resolve("a/pairs.jsonl")).pairs()).hasSize(24);
        assertThat(PreferenceReader.read(directory.resolve("a/contrast.jsonl")).pairs()).hasSize(12);
        assertThat(wanted("seen")).containsOnly(Wanted.REFUSE);
        assertThat(wanted("unseen")).hasSize(20).containsOnly(Wanted.REFUSE);
        assertThat(wanted("ambiguous")).containsOnly(Wanted.COMPLY);
        assertThat(wanted("validation")).contains(Wanted.REFUSE, Wanted.COMPLY);
        assertThat(ChoiceFile.read(directory.resolve("a/choices.jsonl")).questions()).hasSize(LANGUAGE.verbs().size()
            + LANGUAGE.objects().size());
        Files.createDirectory(directory.resolve("a/sae"));
        assertThat(Study.read(directory.resolve("a/study.yaml")).arms()).hasSize(7);
        JsonNode json = JsonFiles.read(directory.resolve("a/world.json"));
        assertThat(json.get("model_sha256").textValue()).isEqualTo(FileHash.sha256(directory.resolve("a/model/model.safetensors")));
    }

    private List<Wanted> wanted(String set) {
        return new ArrayList<>(PromptFile.read(directory.resolve("a").resolve(set + ".csv")).prompts().stream().map(EvalPrompt::wanted)
            .toList());
    }
}
