package io.sails4j.cli;

import io.sails4j.data.DataOptions;
import io.sails4j.data.Tokenizer;
import io.sails4j.eval.EvalJudge;
import io.sails4j.eval.PromptFile;
import io.sails4j.hub.HubCache;
import io.sails4j.judge.JudgeReward;
import io.sails4j.judge.JudgeSpec;
import io.sails4j.model.CausalModel;
import io.sails4j.options.Options;
import io.sails4j.train.Objective;
import io.sails4j.train.PolicyTask;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** What objectives learn from that sample answers. */
final class PolicyArguments {
    @Mixin
    private PromptArguments prompts;

    @Option(names = "--reward", paramLabel = "REWARD",
        description = "for --objective rloo and grpo, what answers are worth: refusal, our own classifier with what each prompt wants;"
            + " endpoint=URL,model=NAME or model=DIR, the score of a judge, as --judge of `sails eval` names it")
    private @Nullable String reward;

    /** Whether the prompts are named, and not those of the preference data. */
    boolean namesPrompts() {
        return prompts.given();
    }

    /** That what is needed is there, and nothing else. */
    void requireFor(Objective objective, CommonOptions common) {
        String name = Options.label(objective);
        if (!objective.samplesAnswers() && (prompts.given() || reward != null)) {
            throw common.wrong("--prompts and --reward are used by --objective rloo and grpo only, and it is '" + name + "'");
        }
        if (objective.samplesAnswers() && reward == null) {
            throw common.wrong("--objective " + name + " needs a reward: --reward refusal, endpoint=URL,model=NAME or model=DIR");
        }
    }

    /** The judge that was asked for. */
    JudgeSpec judge(CommonOptions common) {
        if (reward == null) {
            throw common.wrong("--reward is missing");
        }
        return JudgeWords.parse("--reward", reward, System.getenv(), HubCache.ofSystem()::locate);
    }

    /** The prompts, or those of the preference data; told on standard error. */
    List<PromptFile> files(DataArguments data, CommonOptions common) {
        if (prompts.given()) {
            return prompts.announced(common);
        }
        PromptFile all = PromptFile.ofPreferences(data.path());
        int limit = data.options().limit();
        PromptFile file = limit == 0 ? all : all.first(limit);
        common.message("prompts: those of the " + file.prompts().size() + " pairs of " + file.path()
            + ", of which nobody says what is wanted (--prompts FILE=refuse or FILE=comply does)");
        return List.of(file);
    }

    /** A task with what it needs open: the model's tokenizer, and a judge. */
    static final class Opened implements AutoCloseable {
        private final Tokenizer tokenizer;
        private final EvalJudge judge;
        private final PolicyTask task;

        /** @param provenance gets what decides the judge's judgements */
        Opened(JudgeSpec spec, List<PromptFile> files, CausalModel model, Path directory, DataOptions options,
            Map<String, String> provenance) {
            this.tokenizer = Tokenizer.load(directory);
            EvalJudge opened = null;
            try {
                opened = EvalJudge.open(spec, () -> model.engine());
                opened.origin().forEach((key, value) -> provenance.put("reward." + key, value));
                this.task = PromptFile.task(files, tokenizer, options.template(), directory, new JudgeReward(opened.judge()));
            } catch (RuntimeException | Error e) {
                if (opened != null) {
                    opened.judge().close();
                }
                tokenizer.close();
                throw e;
            }
            this.judge = opened;
        }

        PolicyTask task() {
            return task;
        }

        @Override
        public void close() {
            judge.judge().close();
            tokenizer.close();
        }
    }
}
