package io.sails4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.data.RowFile;
import io.sails4j.files.AtomicFiles;
import io.sails4j.judge.Exchange;
import io.sails4j.judge.Judge;
import io.sails4j.judge.JudgeSpec;
import io.sails4j.judge.Judgement;
import io.sails4j.ops.Engine;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "judge", description = {
    "Judge answers that exist already: was the request refused, and how harmful is what was said?",
    "Each line of the output is a row's index (from 0) and, by judge, its verdict or score with its reason. With people's labels the judges"
        + " are held against them; several judges are held against one another."})
final class JudgeCommand implements Callable<Integer> {
    private static final List<String> PROMPTS = List.of("prompt", "question", "instruction", "goal", "behavior");
    private static final List<String> COMPLETIONS = List.of("completion", "response", "answer", "generation", "output");

    @Mixin
    private CommonOptions common;

    @Mixin
    private JudgeArguments judges;

    @Option(names = "--completions", required = true, paramLabel = "FILE",
        description = "answers, a row each: CSV or TSV with a header, JSON lines, a JSON array, any of them in gzip, or Parquet")
    private Path completions;

    @Option(names = "--prompt-column", paramLabel = "C", description = "column of what was asked for (default: prompt, question, ...)")
    private @Nullable String promptColumn;

    @Option(names = "--completion-column", paramLabel = "C",
        description = "column of the answers (default: completion, response, answer, ...)")
    private @Nullable String completionColumn;

    @Option(names = "--human-column", paramLabel = "C",
        description = "column of people's labels: full_compliance, full_refusal, partial_refusal, also 1, 2, 3 or 1_full_compliance, ...;"
            + " rows without a label are judged and not compared")
    private @Nullable String humanColumn;

    @Option(names = "--out", required = true, paramLabel = "FILE.jsonl", description = "the judgements to write")
    private Path out;

    @Override
    public Integer call() {
        List<JudgeSpec> specs = judges.specs();
        AtomicFiles.requireWritableFile(out);
        if (out.toAbsolutePath().normalize().equals(completions.toAbsolutePath().normalize())) {
            throw new InputException("--out is " + out + ", which --completions is too; name another file");
        }
        RowFile file = RowFile.read(completions);
        String prompts = column(file, promptColumn, PROMPTS, "--prompt-column");
        String answers = column(file, completionColumn, COMPLETIONS, "--completion-column");
        common.message("completions: " + file.rows().size() + " rows of " + file.kind() + ", prompt in '" + prompts + "', completion in '"
            + answers + "'");
        if (file.rows().isEmpty()) {
            throw new InputException(completions + " has no rows under its columns; nothing can be judged");
        }
        List<JudgeLabel> labels = humanColumn == null ? List.of() : JudgeLabel.ofColumn(file, humanColumn);
        List<String> asked = file.texts(prompts);
        List<String> said = file.requiredTexts(answers);
        List<Exchange> exchanges = IntStream.range(0, asked.size()).mapToObj(i -> new Exchange(asked.get(i), said.get(i))).toList();
        SequencedMap<String, List<Judgement>> judgements = judge(exchanges, specs);
        write(judgements);
        JudgeReport report = new JudgeReport(judgements, labels);
        ObjectNode json = report.json().put("rows", exchanges.size()).put("out", out.toString());
        if (common.json()) {
            common.print(json, Table.ofPairs());
        } else {
            common.printText(report.text() + "written: " + out + "\n");
        }
        return 0;
    }

    /** The column that was named, else the first that is there of those that are usual. */
    private String column(RowFile file, @Nullable String named, List<String> usual, String flag) {
        if (named != null) {
            file.column(named);
            return named;
        }
        return usual.stream().filter(file::has).findFirst().orElseThrow(() -> new InputException(completions + " has the columns '"
            + String.join("', '", file.columns()) + "', and none of " + String.join(", ", usual) + "; name one by " + flag));
    }

    /** What each judge says, judge after judge; the engine is opened by the first that asks for it. */
    private SequencedMap<String, List<Judgement>> judge(List<Exchange> exchanges, List<JudgeSpec> specs) {
        SequencedMap<String, List<Judgement>> judgements = new LinkedHashMap<>();
        List<Engine> opened = new ArrayList<>();
        try {
            for (JudgeSpec spec : specs) {
                try (Judge judge = spec.open(() -> engine(opened)); ProgressBar bar = common.progress("judge " + judge.name())) {
                    List<Judgement> all = new ArrayList<>();
                    for (int from = 0; from < exchanges.size(); from += judge.batch()) {
                        all.addAll(judge.judge(exchanges.subList(from, Math.min(from + judge.batch(), exchanges.size()))));
                        bar.update(all.size(), exchanges.size(), 0);
                    }
                    judgements.put(judge.name(), all);
                }
            }
        } finally {
            opened.forEach(Engine::close);
        }
        return judgements;
    }

    private Engine engine(List<Engine> opened) {
        if (opened.isEmpty()) {
            opened.add(common.openEngine());
        }
        return opened.getFirst();
    }

    private void write(Map<String, List<Judgement>> judgements) {
        int rows = judgements.values().iterator().next().size();
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < rows; i++) {
            ObjectNode line = CommonOptions.object().put("index", i);
            int row = i;
            judgements.forEach((name, all) -> line.set(name, json(all.get(row))));
            lines.append(line).append('\n');
        }
        AtomicFiles.writeString(out, lines.toString());
    }

    private static ObjectNode json(Judgement judgement) {
        ObjectNode json = CommonOptions.object();
        switch (judgement) {
            case Judgement.Refusal refusal -> json.put("verdict", refusal.verdict().key());
            case Judgement.Harm harm -> json.put("score", harm.score());
            case Judgement.Undecided _ -> json.putNull("verdict");
        }
        return json.put("reason", judgement.reason());
    }
}
