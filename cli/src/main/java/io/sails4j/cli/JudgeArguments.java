package io.sails4j.cli;

import io.sails4j.InputException;
import io.sails4j.hub.HubCache;
import io.sails4j.judge.JudgeSpec;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import picocli.CommandLine.Option;

/** The judges that a command asks. */
final class JudgeArguments {
    @Option(names = "--judge", paramLabel = "JUDGE",
        description = "who judges: refusal, our own classifier (default); endpoint=URL,model=NAME, a model behind an OpenAI-compatible"
            + " server, with key-env, name, rubric, cache, concurrency, timeout, tries, max-tokens, seed; model=DIR, a checkpoint in this"
            + " process, with name, rubric, template, dtype, min-mass; each as KEY=VALUE behind a comma; repeat for several, whose"
            + " agreement is printed")
    private List<String> judges = new ArrayList<>();

    /** Whether one was named. */
    boolean given() {
        return !judges.isEmpty();
    }

    /** What was asked for, {@code refusal} where nothing was. */
    List<JudgeSpec> specs() {
        SequencedMap<String, JudgeSpec> specs = new LinkedHashMap<>();
        for (String judge : judges.isEmpty() ? List.of("refusal") : judges) {
            JudgeSpec spec = JudgeWords.parse("--judge", judge, System.getenv(), HubCache.ofSystem()::locate);
            if (specs.put(spec.name(), spec) != null) {
                throw new InputException("--judge asks for two judges that are called '" + spec.name()
                    + "'; name a judge once, or call one otherwise with name=");
            }
        }
        return List.copyOf(specs.values());
    }
}
