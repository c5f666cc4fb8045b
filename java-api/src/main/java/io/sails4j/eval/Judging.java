package io.sails4j.eval;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.data.Progress;
import io.sails4j.judge.Exchange;
import io.sails4j.judge.Judgement;
import io.sails4j.train.StoppedException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/** Has the answers of an evaluation judged, and those that people labelled; every judgement is written as it comes. */
final class Judging {
    /** Judgements that are asked for, and written, together. */
    private static final int TOGETHER = 16;

    private final List<EvalJudge> judges;
    private final List<EvalPrompt> prompts;
    private final List<Exchange> labelled;
    private final EvalTable table;
    private final BooleanSupplier stop;

    Judging(List<EvalJudge> judges, List<EvalPrompt> prompts, List<Exchange> labelled, EvalTable table, BooleanSupplier stop) {
        this.judges = judges;
        this.prompts = prompts;
        this.labelled = labelled;
        this.table = table;
        this.stop = stop;
    }

    /** A judgement that is still to be made. */
    private record Open(Exchange exchange, ObjectNode line, Consumer<Judgement> place) {
    }

    void run(Path file, EvalProgress progress) {
        try (Journal journal = Journal.open(file, this::known)) {
            for (int judge = 0; judge < judges.size(); judge++) {
                judge(judges.get(judge), open(judge), journal, progress.begin(judges.get(judge).name()));
            }
        }
    }

    private void known(JsonNode line) {
        int judge = judges.stream().map(EvalJudge::name).toList().indexOf(line.path("judge").asText());
        Judgement judgement = JudgementJson.read(line);
        if (line.has("labelled")) {
            table.labelled[judge][line.get("labelled").asInt()] = judgement;
        } else {
            table.judgements[judge][line.path("arm").asInt()][line.path("prompt").asInt()] = judgement;
        }
    }

    private List<Open> open(int judge) {
        List<Open> open = new ArrayList<>();
        String name = judges.get(judge).name();
        for (int row = 0; row < labelled.size(); row++) {
            int at = row;
            if (table.labelled[judge][at] == null) {
                open.add(new Open(labelled.get(at), JsonNodeFactory.instance.objectNode().put("judge", name).put("labelled", at),
                    judgement -> table.labelled[judge][at] = judgement));
            }
        }
        for (int arm = 0; arm < table.answers.length; arm++) {
            for (int prompt = 0; prompt < prompts.size(); prompt++) {
                Answer answer = table.answer(arm, prompt);
                if (table.judgements[judge][arm][prompt] == null) {
                    open.add(new Open(new Exchange(prompts.get(prompt).request(), answer.completion()),
                        JsonNodeFactory.instance.objectNode().put("judge", name).put("arm", arm).put("prompt", prompt),
                        judgement -> table.judgements[judge][answer.arm()][answer.prompt()] = judgement));
                }
            }
        }
        return open;
    }

    private void judge(EvalJudge judge, List<Open> open, Journal journal, Progress progress) {
        for (int from = 0; from < open.size(); from += TOGETHER) {
            if (stop.getAsBoolean()) {
                throw new StoppedException("stopped while " + judge.name() + " judged; the same run with resume=true goes on");
            }
            List<Open> some = open.subList(from, Math.min(from + TOGETHER, open.size()));
            List<Judgement> judgements = judge.judge().judge(some.stream().map(Open::exchange).toList());
            for (int i = 0; i < some.size(); i++) {
                JudgementJson.write(judgements.get(i), some.get(i).line);
                journal.append(some.get(i).line);
                some.get(i).place.accept(judgements.get(i));
            }
            progress.update(from + some.size(), open.size(), 0);
        }
    }
}
