package io.sails4j.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.judge.Judgement;
import io.sails4j.judge.Verdict;
import io.sails4j.stats.Bootstrap;
import io.sails4j.stats.ConfusionMatrix;
import io.sails4j.stats.Interval;
import io.sails4j.stats.Rates;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;
import java.util.stream.Stream;

/** What judges said of the same answers, beside one another and beside people. */
final class JudgeReport {
    private static final List<String> THREE_WAY = Arrays.stream(Verdict.values()).map(Verdict::key).toList();
    private static final List<String> FULL = List.of(Verdict.FULL_COMPLIANCE.key(), Verdict.FULL_REFUSAL.key());
    private static final List<String> SCORES = List.of("1", "2", "3", "4", "5");
    /** The two kinds of judges meet in this: whether the request was refused. */
    private static final List<String> REFUSED = List.of("refused", "not_refused");

    private final SequencedMap<String, List<Judgement>> judgements;
    private final List<JudgeLabel> labels;
    private final ObjectNode json = CommonOptions.object();
    private final StringBuilder text = new StringBuilder();

    JudgeReport(SequencedMap<String, List<Judgement>> judgements, List<JudgeLabel> labels) {
        this.judgements = judgements;
        this.labels = labels;
        judgements.forEach(this::distribution);
        if (!labels.isEmpty()) {
            judgements.forEach(this::againstPeople);
        }
        List<String> names = List.copyOf(judgements.keySet());
        for (int i = 0; i < names.size(); i++) {
            for (int j = i + 1; j < names.size(); j++) {
                betweenJudges(names.get(i), names.get(j));
            }
        }
    }

    ObjectNode json() {
        return json;
    }

    String text() {
        return text.toString();
    }

    private static String kind(Judgement judgement) {
        return switch (judgement) {
            case Judgement.Refusal refusal -> refusal.verdict().key();
            case Judgement.Harm harm -> String.valueOf(harm.score());
            case Judgement.Undecided _ -> "undecided";
        };
    }

    private void distribution(String judge, List<Judgement> all) {
        Table table = Table.withHeader(judge, "n", "share", "95 % interval");
        ObjectNode counts = json.withObjectProperty("judges").putObject(judge).putObject("counts");
        boolean scores = all.stream().anyMatch(Judgement.Harm.class::isInstance);
        for (String kind : Stream.concat((scores ? SCORES : THREE_WAY).stream(), Stream.of("undecided")).toList()) {
            long n = all.stream().filter(judgement -> kind(judgement).equals(kind)).count();
            if (n == 0 && kind.equals("undecided")) {
                continue;
            }
            Interval rate = Rates.wilson(n, all.size());
            table.row(kind, n, percent(rate.value()), percent(rate.low()) + " to " + percent(rate.high()));
            put(counts.putObject(kind).put("n", n), "rate", rate);
        }
        text.append(table.render());
        if (scores) {
            Interval mean = Bootstrap.of(0).mean(all.stream().filter(Judgement.Harm.class::isInstance).map(Judgement.Harm.class::cast)
                .mapToDouble(Judgement.Harm::score).toArray());
            text.append("mean score: ").append(shown(mean)).append('\n');
            put(json.withObjectProperty("judges").withObjectProperty(judge), "mean_score", mean);
        }
        text.append('\n');
    }

    private void againstPeople(String judge, List<Judgement> all) {
        boolean verdicts = all.stream().anyMatch(Judgement.Refusal.class::isInstance);
        ConfusionMatrix matrix = new ConfusionMatrix(verdicts ? THREE_WAY : REFUSED);
        for (int i = 0; i < all.size(); i++) {
            Verdict label = labels.get(i).verdict();
            if (label == null || all.get(i) instanceof Judgement.Undecided) {
                continue;
            }
            if (verdicts) {
                matrix.add(label.key(), kind(all.get(i)));
            } else if (label != Verdict.PARTIAL_REFUSAL) {
                matrix.add(refused(new Judgement.Refusal(label, "")), refused(all.get(i)));
            }
        }
        ObjectNode people = json.withObjectProperty("judges").withObjectProperty(judge).putObject("against_people");
        text.append(judge).append(" against people (rows: people, columns: ").append(judge).append(")\n");
        matrix(matrix, people);
        if (verdicts) {
            agreement("full refusal against full compliance", "full_against_full", matrix.among(FULL), people);
            agreement("three-way", "three_way", matrix, people);
        } else {
            text.append("a score of 1 counts as refused; partial refusals are left out\n");
            agreement("refused or not", "refused", matrix, people);
        }
        text.append('\n');
    }

    private void matrix(ConfusionMatrix matrix, ObjectNode into) {
        String[] header = Stream.concat(Stream.of(""), matrix.labels().stream()).toArray(String[]::new);
        Table table = Table.withHeader(header);
        ArrayNode rows = into.putArray("confusion");
        for (String row : matrix.labels()) {
            Object[] cells = Stream.concat(Stream.of(row), matrix.labels().stream().map(column -> (Object) matrix.count(row, column)))
                .toArray();
            table.row(cells);
            ArrayNode counts = rows.addArray();
            matrix.labels().forEach(column -> counts.add(matrix.count(row, column)));
        }
        text.append(table.render());
    }

    private void agreement(String title, String key, ConfusionMatrix matrix, ObjectNode into) {
        ObjectNode of = into.putObject(key).put("n", matrix.n());
        put(of, "accuracy", matrix.accuracy());
        put(of, "kappa", matrix.kappa());
        text.append(String.format(Locale.ROOT, "%s, n = %d: accuracy %s, kappa %s%n", title, matrix.n(), shown(matrix.accuracy()),
            shown(matrix.kappa())));
    }

    private void betweenJudges(String first, String second) {
        List<Judgement> ofFirst = judgements.getOrDefault(first, List.of());
        List<Judgement> ofSecond = judgements.getOrDefault(second, List.of());
        boolean sameKind = sameKind(ofFirst, ofSecond);
        boolean scores = ofFirst.stream().anyMatch(Judgement.Harm.class::isInstance);
        ConfusionMatrix matrix = new ConfusionMatrix(!sameKind ? REFUSED : scores ? SCORES : THREE_WAY);
        for (int i = 0; i < ofFirst.size(); i++) {
            if (!(ofFirst.get(i) instanceof Judgement.Undecided) && !(ofSecond.get(i) instanceof Judgement.Undecided)) {
                matrix.add(sameKind ? kind(ofFirst.get(i)) : refused(ofFirst.get(i)),
                    sameKind ? kind(ofSecond.get(i)) : refused(ofSecond.get(i)));
            }
        }
        ObjectNode pair = json.withArrayProperty("agreement").addObject().put("first", first).put("second", second);
        agreement(first + " and " + second + (sameKind ? "" : ", refused (verdict full_refusal, score 1) or not"), "all", matrix, pair);
    }

    private static boolean sameKind(List<Judgement> first, List<Judgement> second) {
        return first.stream().anyMatch(Judgement.Harm.class::isInstance) == second.stream().anyMatch(Judgement.Harm.class::isInstance);
    }

    /** A score of 1 is an answer that refuses or does no harm; that is the nearest that scores come to a verdict. */
    private static String refused(Judgement judgement) {
        boolean refused = switch (judgement) {
            case Judgement.Refusal refusal -> refusal.verdict() == Verdict.FULL_REFUSAL;
            case Judgement.Harm harm -> harm.score() == 1;
            case Judgement.Undecided _ -> throw new IllegalArgumentException("undecided");
        };
        return refused ? "refused" : "not_refused";
    }

    private static void put(ObjectNode json, String name, Interval interval) {
        if (interval.known()) {
            interval.writeInto(json.putObject(name));
        } else {
            json.putNull(name);
        }
    }

    private static String percent(double share) {
        return String.format(Locale.ROOT, "%.1f %%", 100 * share);
    }

    private static String shown(Interval interval) {
        return interval.known() ? String.format(Locale.ROOT, "%.3f (%.3f to %.3f)", interval.value(), interval.low(), interval.high())
            : "unknown (there is one class alone, or nothing)";
    }
}
