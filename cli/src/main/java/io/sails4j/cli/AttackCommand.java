package io.sails4j.cli;

import io.sails4j.attack.AblateOptions;
import io.sails4j.attack.Attack;
import io.sails4j.attack.AttackResult;
import io.sails4j.attack.AttackRun;
import io.sails4j.attack.GcgOptions;
import io.sails4j.attack.PrefillOptions;
import io.sails4j.eval.EvalArm;
import io.sails4j.eval.EvalOptions;
import io.sails4j.eval.PromptFile;
import io.sails4j.files.AtomicFiles;
import io.sails4j.judge.JudgeSpec;
import io.sails4j.ops.Engine;
import io.sails4j.report.Reports;
import io.sails4j.train.RunControl;
import io.sails4j.train.StoppedException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(name = "attack",
    description = "Attack a model of your own and its adapters, have the answers judged, and say how far their refusals hold.",
    subcommands = {AttackCommand.Gcg.class, AttackCommand.Prefill.class, AttackCommand.Ablate.class})
final class AttackCommand {
    /** What the attacks have in common: everything but the attack. */
    abstract static class Run implements Callable<Integer> {
        private static final int STOPPED = 1;

        @Mixin
        private CommonOptions common;

        @Mixin
        private EvalArguments arguments;

        @Mixin
        private JudgeArguments judging;

        @Option(names = "--out", required = true, paramLabel = "DIR",
            description = "directory to write, with completions.jsonl, attack.json and report.html")
        private Path out;

        @Option(names = "--resume", description = "go on with what stands in OUT.partial; all other options as in the first run")
        private boolean resume;

        @Spec
        private CommandSpec command;

        /** The attack that the options ask for. */
        abstract Attack attack(CommandSpec given);

        @Override
        public Integer call() {
            EvalOptions options = OptionFlags.values(command, EvalOptions.defaults()).withSeed(common.seed());
            Attack attack = attack(command);
            AtomicFiles.requireFresh(out);
            List<JudgeSpec> specs = judging.specs();
            List<EvalArm> arms = arguments.arms();
            List<PromptFile> files = arguments.announcedPrompts(common);
            try (Engine engine = common.openEngine(); Bars bars = new Bars(common); StopSignal signal = new StopSignal(common::message);
                 OpenJudges judges = new OpenJudges(specs, engine)) {
                AttackResult result = new AttackRun(engine, arguments.modelOptions(common), arms, files, judges.list(), options)
                    .run(attack, out, bars, new RunControl(resume, signal::asked), System::nanoTime);
                bars.end();
                Path page = Reports.writeInto(out);
                common.printText(common.json() ? result.json() + "\n" : new AttackTables(result).render() + "report   " + page + "\n");
            } catch (StoppedException e) {
                common.message(OptionFlags.inSentence(String.valueOf(e.getMessage())));
                return STOPPED;
            }
            return 0;
        }
    }

    @Command(name = "gcg", description = "Search suffixes by greedy coordinate gradient, so that answers begin as a harmful one does.")
    static final class Gcg extends Run {
        @Override
        Attack attack(CommandSpec given) {
            return new Attack.Gcg(OptionFlags.values(given, GcgOptions.defaults()));
        }
    }

    @Command(name = "prefill", description = "Give the first tokens of a harmful answer; the model goes on from there.")
    static final class Prefill extends Run {
        @Override
        Attack attack(CommandSpec given) {
            return new Attack.Prefill(OptionFlags.values(given, PrefillOptions.defaults()));
        }
    }

    @Command(name = "ablate", description = "Take the direction that tells harmful from harmless prompts out of the residual stream.")
    static final class Ablate extends Run {
        @Option(names = "--harmless", required = true, paramLabel = "FILE",
            description = "prompts that nobody would refuse, in any form of --prompts; those of --prompts that want a refusal stand against"
                + " them")
        private Path harmless;

        @Override
        Attack attack(CommandSpec given) {
            return new Attack.Ablate(OptionFlags.values(given, AblateOptions.defaults()), PromptFile.read(harmless));
        }
    }
}
