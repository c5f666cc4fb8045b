package io.sails4j.cli;

import io.sails4j.eval.EvalJudge;
import io.sails4j.judge.JudgeSpec;
import io.sails4j.ops.Engine;
import java.util.ArrayList;
import java.util.List;

/** The judges of a run, closed with it; where one cannot be opened, those before it are closed. */
final class OpenJudges implements AutoCloseable {
    private final List<EvalJudge> judges = new ArrayList<>();

    OpenJudges(List<JudgeSpec> specs, Engine engine) {
        try {
            specs.forEach(spec -> judges.add(EvalJudge.open(spec, () -> engine)));
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    List<EvalJudge> list() {
        return judges;
    }

    @Override
    public void close() {
        judges.forEach(judge -> judge.judge().close());
    }
}
