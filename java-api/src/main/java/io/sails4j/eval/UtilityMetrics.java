package io.sails4j.eval;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.stats.Bootstrap;
import io.sails4j.stats.Interval;
import io.sails4j.stats.Rates;
import io.sails4j.utility.ChoiceFile;
import io.sails4j.utility.ChoiceForm;
import io.sails4j.utility.ChoiceQuestion;
import io.sails4j.utility.ChoiceScores;
import io.sails4j.utility.DocumentLoss;
import io.sails4j.utility.UtilityMeasure;
import io.sails4j.utility.UtilityMetric;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** The numbers of what was measured, by arm, file and subject. */
final class UtilityMetrics {
    private final List<EvalArm> arms;
    private final UtilityFiles files;
    private final UtilityTable table;
    private final ChoiceForm form;
    private final Bootstrap bootstrap;
    private final List<UtilityMetric> metrics = new ArrayList<>();

    UtilityMetrics(List<EvalArm> arms, UtilityFiles files, UtilityTable table, EvalOptions options) {
        this.arms = arms;
        this.files = files;
        this.table = table;
        this.bootstrap = Bootstrap.of(options.seed());
        this.form = options.utility().choiceForm();
    }

    List<UtilityMetric> metrics() {
        for (int arm = 0; arm < arms.size(); arm++) {
            for (int file = 0; file < files.texts().size(); file++) {
                texts(arm, file);
            }
            for (int file = 0; file < files.choices().size(); file++) {
                choices(arm, file);
            }
            for (int file = 0; arm > 0 && file < files.benign().size(); file++) {
                divergence(arm, file);
            }
        }
        return metrics;
    }

    private void texts(int arm, int file) {
        List<DocumentLoss> losses = IntStream.range(0, files.texts().get(file).documents().size())
            .mapToObj(item -> loss(table.get(arm, UtilityTable.Kind.TEXT, file, item))).toList();
        long tokens = losses.stream().mapToLong(DocumentLoss::tokens).sum();
        add(arm, UtilityMeasure.PERPLEXITY, UtilityTable.Kind.TEXT, file, null, DocumentLoss.perplexity(losses, bootstrap), losses.size(),
            tokens);
        add(arm, UtilityMeasure.BITS_PER_BYTE, UtilityTable.Kind.TEXT, file, null, DocumentLoss.bitsPerByte(losses, bootstrap),
            losses.size(), tokens);
    }

    private static DocumentLoss loss(JsonNode line) {
        return new DocumentLoss(line.path("bytes").asLong(), IntStream.range(0, line.path("nats").size())
            .mapToObj(i -> new DocumentLoss.Window(line.path("nats").path(i).asDouble(), line.path("tokens").path(i).asLong())).toList());
    }

    private void choices(int arm, int file) {
        ChoiceFile asked = files.choices().get(file);
        choices(arm, file, null);
        if (asked.subjects().size() > 1) {
            asked.subjects().forEach(subject -> choices(arm, file, subject));
        }
    }

    private void choices(int arm, int file, @Nullable String subject) {
        List<ChoiceQuestion> questions = files.choices().get(file).questions();
        int[] members = IntStream.range(0, questions.size())
            .filter(item -> subject == null || questions.get(item).subject().equals(subject)).toArray();
        long right = IntStream.of(members).filter(i -> scores(arm, file, i).likeliest() == questions.get(i).answer()).count();
        add(arm, UtilityMeasure.CHOICE_ACC, UtilityTable.Kind.CHOICE, file, subject, Rates.wilson(right, members.length), members.length,
            0);
        if (form == ChoiceForm.LETTER) {
            // Letters have one length: it would be the same number again.
            return;
        }
        long rightByLength = IntStream.of(members).filter(i -> scores(arm, file, i).likeliestByLength() == questions.get(i).answer())
            .count();
        add(arm, UtilityMeasure.CHOICE_ACC_NORM, UtilityTable.Kind.CHOICE, file, subject, Rates.wilson(rightByLength, members.length),
            members.length, 0);
    }

    private ChoiceScores scores(int arm, int file, int item) {
        JsonNode line = table.get(arm, UtilityTable.Kind.CHOICE, file, item);
        int choices = line.path("lengths").size();
        return new ChoiceScores(IntStream.range(0, choices).mapToDouble(i -> line.path("log_likelihoods").path(i).asDouble()).toArray(),
            IntStream.range(0, choices).map(i -> line.path("lengths").path(i).asInt()).toArray());
    }

    /** A document of one window each: the mean over all tokens, whose interval resamples prompts. */
    private void divergence(int arm, int file) {
        List<DocumentLoss.Window> prompts = IntStream.range(0, files.benign().get(file).prompts().size())
            .mapToObj(item -> table.get(arm, UtilityTable.Kind.DIVERGENCE, file, item))
            .map(line -> new DocumentLoss.Window(line.path("nats").asDouble(), line.path("tokens").asLong())).toList();
        add(arm, UtilityMeasure.KL_FROM_BASE, UtilityTable.Kind.DIVERGENCE, file, null, DocumentLoss.mean(prompts, bootstrap),
            prompts.size(),
            prompts.stream().mapToLong(DocumentLoss.Window::tokens).sum());
    }

    private void add(int arm, UtilityMeasure measure, UtilityTable.Kind kind, int file, @Nullable String category, Interval interval,
        long n,
        long tokens) {
        metrics.add(new UtilityMetric(arms.get(arm).name(), measure, table.name(kind, file), category, interval, n, tokens));
    }
}
