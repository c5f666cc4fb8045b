package io.sails4j.eval;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.data.Progress;
import io.sails4j.data.Tokenizer;
import io.sails4j.files.FileHash;
import io.sails4j.model.CausalModel;
import io.sails4j.train.StoppedException;
import io.sails4j.utility.ChoiceFile;
import io.sails4j.utility.ChoiceScores;
import io.sails4j.utility.Divergence;
import io.sails4j.utility.DocumentLoss;
import io.sails4j.utility.MultipleChoice;
import io.sails4j.utility.Perplexity;
import io.sails4j.utility.TokenLosses;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.IntFunction;

/** Measures how useful the arms are; every document, question and prompt is written as it ends. */
final class Measuring {
    private final LoadedModels models;
    private final List<EvalArm> arms;
    private final UtilityFiles files;
    private final EvalOptions options;
    private final UtilityTable table;
    private final BooleanSupplier stop;

    /** @param models of which the base model must stay where the divergence from it is asked for */
    Measuring(LoadedModels models, List<EvalArm> arms, UtilityFiles files, EvalOptions options, UtilityTable table, BooleanSupplier stop) {
        this.models = models;
        this.arms = arms;
        this.files = files;
        this.options = options;
        this.table = table;
        this.stop = stop;
    }

    void run(Path file, EvalProgress progress) {
        try (Journal journal = Journal.open(file, line -> table.put((ObjectNode) line))) {
            for (int arm = 0; arm < arms.size(); arm++) {
                losses(arm, journal, progress);
            }
            if (!files.benign().isEmpty()) {
                answers(journal, progress);
                for (int arm = 1; arm < arms.size(); arm++) {
                    divergences(arm, journal, progress);
                }
            }
        }
    }

    /** What needs the likelihood of texts. */
    private void losses(int arm, Journal journal, EvalProgress progress) {
        if (table.complete(arm, UtilityTable.Kind.TEXT) && table.complete(arm, UtilityTable.Kind.CHOICE)) {
            return;
        }
        CausalModel model = models.get(arms.get(arm).model());
        try (Tokenizer tokenizer = Tokenizer.load(arms.get(arm).model()); AdaptedSession opened = new AdaptedSession(model, arms.get(arm));
             TokenLosses losses = new TokenLosses(opened.session(), opened.stack())) {
            for (int f = 0; f < files.texts().size(); f++) {
                int file = f;
                Perplexity perplexity = options.utility().perplexity(losses, tokenizer, model.config());
                each(arm, UtilityTable.Kind.TEXT, f, journal, progress, item -> line(
                    perplexity.of(files.texts().get(file).documents().get(item))));
            }
            ChoiceFile examples = files.examples();
            MultipleChoice choices = new MultipleChoice(losses, tokenizer, model.config(), options.utility().choiceForm(),
                examples == null ? List.of() : examples.questions(), options.utility().shots());
            for (int f = 0; f < files.choices().size(); f++) {
                int file = f;
                each(arm, UtilityTable.Kind.CHOICE, f, journal, progress, item -> line(
                    choices.scores(files.choices().get(file).questions().get(item))));
            }
        }
    }

    /** Goes on with the items of a file that have no line yet. */
    private void each(int arm, UtilityTable.Kind kind, int file, Journal journal, EvalProgress progress, IntFunction<ObjectNode> measured) {
        int items = table.items(kind, file);
        Progress bar = progress.begin(arms.get(arm).name() + " " + kind.title());
        for (int item = 0; item < items; item++) {
            if (table.has(arm, kind, file, item)) {
                continue;
            }
            if (stop.getAsBoolean()) {
                throw new StoppedException("stopped after " + item + " of " + items + " of " + table.name(kind, file) + " by "
                    + arms.get(arm).name() + "; the same run with resume=true goes on");
            }
            journal.append(table.put(arm, kind, file, item, measured.apply(item)));
            bar.update(item + 1, items, 0);
        }
    }

    private static ObjectNode line(DocumentLoss loss) {
        ObjectNode line = JsonNodeFactory.instance.objectNode().put("bytes", loss.bytes());
        ArrayNode nats = line.putArray("nats");
        ArrayNode tokens = line.putArray("tokens");
        loss.windows().forEach(window -> {
            nats.add(window.nats());
            tokens.add(window.tokens());
        });
        return line;
    }

    private static ObjectNode line(ChoiceScores scores) {
        ObjectNode line = JsonNodeFactory.instance.objectNode();
        Arrays.stream(scores.logLikelihoods()).forEach(line.putArray("log_likelihoods")::add);
        Arrays.stream(scores.lengths()).forEach(line.putArray("lengths")::add);
        return line;
    }

    // ---------------------------------------------------------------- divergence

    /** The base model's greedy answers to the benign prompts. */
    private void answers(Journal journal, EvalProgress progress) {
        if (table.complete(0, UtilityTable.Kind.ANSWER)) {
            return;
        }
        EvalOptions greedy = options.withAnswers(options.answers().withMaxNewTokens(options.utility().klTokens()).withTemperature(0));
        try (OpenArm base = new OpenArm(models.get(arms.getFirst().model()), arms.getFirst(), 0, greedy.answers())) {
            Answering answering = new Answering(base, greedy, null, null, stop);
            for (int f = 0; f < files.benign().size(); f++) {
                int file = f;
                List<EvalPrompt> prompts = files.benign().get(f).prompts();
                List<Question> questions = prompts.stream().map(prompt -> new Question(base.ids(prompt), 0, null)).toList();
                answering.generate(prompts, questions, item -> table.has(0, UtilityTable.Kind.ANSWER, file, item), (result, text) -> {
                    ObjectNode line = JsonNodeFactory.instance.objectNode().put("prompt_tokens", result.request().promptIds().length);
                    ArrayNode ids = line.putArray("ids");
                    Arrays.stream(result.request().promptIds()).forEach(ids::add);
                    Arrays.stream(result.newIds()).forEach(ids::add);
                    journal.append(table.put(0, UtilityTable.Kind.ANSWER, file, (int) result.request().number(), line.put("text", text)));
                }, progress.begin(arms.getFirst().name() + " " + UtilityTable.Kind.ANSWER.title()));
            }
        }
    }

    private void divergences(int arm, Journal journal, EvalProgress progress) {
        if (table.complete(arm, UtilityTable.Kind.DIVERGENCE)) {
            return;
        }
        requireOneTokenizer(arms.getFirst(), arms.get(arm));
        CausalModel base = models.get(arms.getFirst().model());
        CausalModel other = models.get(arms.get(arm).model());
        try (AdaptedSession from = new AdaptedSession(base, arms.getFirst());
             AdaptedSession to = new AdaptedSession(other, arms.get(arm))) {
            Divergence divergence = new Divergence(from.session(), from.stack(), to.session(), to.stack());
            for (int f = 0; f < files.benign().size(); f++) {
                int file = f;
                each(arm, UtilityTable.Kind.DIVERGENCE, f, journal, progress, item -> {
                    ObjectNode answer = table.get(0, UtilityTable.Kind.ANSWER, file, item);
                    int[] ids = new int[answer.path("ids").size()];
                    Arrays.setAll(ids, i -> answer.path("ids").path(i).asInt());
                    double[] each = divergence.of(ids, answer.path("prompt_tokens").asInt());
                    return JsonNodeFactory.instance.objectNode().put("nats", Arrays.stream(each).sum()).put("tokens", each.length);
                });
            }
        }
    }

    /** Distributions over different tokens cannot be compared. */
    private static void requireOneTokenizer(EvalArm base, EvalArm other) {
        if (!base.model().equals(other.model()) && !FileHash.sha256(base.model().resolve("tokenizer.json"))
            .equals(FileHash.sha256(other.model().resolve("tokenizer.json")))) {
            throw new InputException(
                "the arm '" + other.name() + "' has another tokenizer.json than the base model: its divergence from the"
                    + " base model is not defined; leave the arm out, or the benign prompts");
        }
    }
}
