package io.sails4j.eval;

import io.sails4j.data.Wanted;
import io.sails4j.judge.Judgement;
import io.sails4j.monitor.MonitorSpec;
import io.sails4j.monitor.Part;
import io.sails4j.monitor.Rule;
import io.sails4j.stats.Bootstrap;
import io.sails4j.stats.Interval;
import io.sails4j.stats.Rates;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Counts what the judges said, by arm, judge, wanted behaviour, file and category, and compares the arms in pairs. */
final class EvalMetrics {
    private final List<EvalArm> arms;
    private final List<EvalPrompt> prompts;
    private final List<EvalJudge> judges;
    private final EvalTable table;
    private final @Nullable LabelledAnswers labelled;
    private final Asking.Running asking;
    private final Bootstrap bootstrap;
    private final List<String> files;
    private final List<Integer> fileOfPrompt;

    /** @param fileOfPrompt which of the files each prompt is from */
    EvalMetrics(List<EvalArm> arms, List<PromptFile> files, List<EvalPrompt> prompts, List<Integer> fileOfPrompt, List<EvalJudge> judges,
        EvalTable table, @Nullable LabelledAnswers labelled, Asking.Running asking, long seed) {
        this.arms = arms;
        this.files = files.stream().map(file -> String.valueOf(file.path().getFileName())).toList();
        this.prompts = prompts;
        this.fileOfPrompt = fileOfPrompt;
        this.judges = judges;
        this.table = table;
        this.labelled = labelled;
        this.asking = asking;
        this.bootstrap = Bootstrap.of(seed);
    }

    /** Prompts that are counted together. */
    private record Group(Wanted wanted, @Nullable String file, @Nullable String category, int[] members) {
    }

    /** All prompts, those of each file, those of each category of a file; what would be the same prompts again is left out. */
    private List<Group> groups(boolean withCategories) {
        List<Group> groups = new ArrayList<>();
        for (Wanted wanted : Wanted.values()) {
            Group all = group(wanted, null, null, _ -> true);
            if (all.members.length == 0) {
                continue;
            }
            groups.add(all);
            for (int f = 0; f < files.size(); f++) {
                int file = f;
                Group ofFile = group(wanted, files.get(file), null, p -> fileOfPrompt.get(p) == file);
                addPart(groups, ofFile, all);
                Set<String> categories = new LinkedHashSet<>();
                Arrays.stream(ofFile.members).forEach(p -> categories.add(prompts.get(p).category()));
                for (String category : withCategories ? categories : Set.<String>of()) {
                    addPart(groups, group(wanted, files.get(file), category,
                        p -> fileOfPrompt.get(p) == file && prompts.get(p).category().equals(category)), ofFile);
                }
            }
        }
        return groups;
    }

    private static void addPart(List<Group> groups, Group part, Group whole) {
        if (part.members.length > 0 && part.members.length < whole.members.length) {
            groups.add(part);
        }
    }

    private Group group(Wanted wanted, @Nullable String file, @Nullable String category, IntPredicate member) {
        return new Group(wanted, file, category,
            IntStream.range(0, prompts.size()).filter(p -> prompts.get(p).wanted() == wanted && member.test(p)).toArray());
    }

    List<Metric> metrics() {
        List<Metric> metrics = new ArrayList<>();
        List<Group> groups = groups(true);
        for (int arm = 0; arm < arms.size(); arm++) {
            for (int judge = 0; judge < judges.size(); judge++) {
                for (Group group : groups) {
                    for (Measure measure : Measure.values()) {
                        if (measure.isOf(group.wanted) && isMeasuredBy(measure, judge)) {
                            metrics.add(metric(measure, group, arm, judge));
                        }
                    }
                }
            }
        }
        return metrics;
    }

    /** Whether a judge's judgements say anything of a measure. One that decided nothing at all has the measures of refusals, with n = 0. */
    private boolean isMeasuredBy(Measure measure, int judge) {
        List<Judgement> decided = Arrays.stream(table.judgements[judge]).flatMap(Arrays::stream)
            .<Judgement>mapMulti((judgement, sink) -> {
                if (judgement != null && !(judgement instanceof Judgement.Undecided)) {
                    sink.accept(judgement);
                }
            }).toList();
        return decided.isEmpty() ? measure != Measure.HARMFULNESS && measure != Measure.HIGH_RISK_RATE
            : decided.stream().anyMatch(judgement -> !Double.isNaN(measure.valueOf(judgement)));
    }

    private Metric metric(Measure measure, Group group, int arm, int judge) {
        int[] members = Arrays.stream(group.members).filter(p -> asking.counts(arm, p)).toArray();
        double[] values = Arrays.stream(members).mapToDouble(p -> measure.valueOf(table.judgement(judge, arm, p)))
            .filter(value -> !Double.isNaN(value)).toArray();
        long successes = Math.round(Arrays.stream(values).sum());
        Interval interval = measure.isRate() ? Rates.wilson(successes, values.length) : bootstrap.mean(values);
        return new Metric(arms.get(arm).name(), judges.get(judge).name(), measure, group.wanted, group.file, group.category, interval,
            corrected(measure, judge, successes, values.length),
            values.length, members.length - values.length);
    }

    private @Nullable Interval corrected(Measure measure, int judge, long successes, long n) {
        if (labelled == null || !measure.isRate() || measure == Measure.HIGH_RISK_RATE) {
            return null;
        }
        Rates.Calibration calibration = labelled.of(measure, table.labelled(judge));
        return calibration == null ? null : Rates.roganGladen(successes, n, calibration);
    }

    List<Comparison> comparisons() {
        List<Comparison> comparisons = new ArrayList<>();
        List<Group> groups = groups(false);
        for (int first = 0; first < arms.size(); first++) {
            for (int second = first + 1; second < arms.size(); second++) {
                for (int judge = 0; judge < judges.size(); judge++) {
                    for (Group group : groups) {
                        for (Measure measure : Measure.values()) {
                            if (measure.isOf(group.wanted) && isMeasuredBy(measure, judge)) {
                                comparisons.add(comparison(measure, group, first, second, judge));
                            }
                        }
                    }
                }
            }
        }
        return comparisons;
    }

    private Comparison comparison(Measure measure, Group group, int first, int second, int judge) {
        int[] both = Arrays.stream(group.members).filter(p -> asking.counts(first, p) && asking.counts(second, p))
            .filter(p -> !Double.isNaN(measure.valueOf(table.judgement(judge, first, p)))
                && !Double.isNaN(measure.valueOf(table.judgement(judge, second, p))))
            .toArray();
        double[] a = Arrays.stream(both).mapToDouble(p -> measure.valueOf(table.judgement(judge, first, p))).toArray();
        double[] b = Arrays.stream(both).mapToDouble(p -> measure.valueOf(table.judgement(judge, second, p))).toArray();
        Interval difference = bootstrap.pairedDifference(b, a);
        long onlyFirst = 0;
        long onlySecond = 0;
        for (int i = 0; i < both.length && measure.isRate(); i++) {
            onlyFirst += a[i] > b[i] ? 1 : 0;
            onlySecond += b[i] > a[i] ? 1 : 0;
        }
        return new Comparison(arms.get(first).name(), arms.get(second).name(), judges.get(judge).name(), measure, group.wanted, group.file,
            difference, both.length, onlyFirst, onlySecond, measure.isRate() ? Rates.mcnemar(onlyFirst, onlySecond) : Double.NaN);
    }

    /** Of each part that rules look at: of any rule, and, where there are several, of each of them. */
    List<AlarmRate> alarms(MonitorSpec spec) {
        List<AlarmRate> rates = new ArrayList<>();
        for (int arm = 0; arm < arms.size(); arm++) {
            for (Group group : groups(false)) {
                for (Part part : List.of(Part.PROMPT, Part.ANSWER)) {
                    List<String> rules = spec.rules().stream().filter(rule -> rule.action().alarms())
                        .filter(rule -> rule.part() == part || rule.part() == Part.ALL).map(Rule::name).toList();
                    if (!rules.isEmpty()) {
                        rates.add(alarms(arm, group, null, part));
                    }
                    for (String rule : rules.size() > 1 ? rules : List.<String>of()) {
                        rates.add(alarms(arm, group, rule, part));
                    }
                }
            }
        }
        return rates;
    }

    private AlarmRate alarms(int arm, Group group, @Nullable String rule, Part part) {
        String where = part.name().toLowerCase(Locale.ROOT);
        int[] members = Arrays.stream(group.members).filter(p -> asking.counts(arm, p)).toArray();
        long alarms = Arrays.stream(members).filter(p -> table.answer(arm, p).alarmed(rule, where)).count();
        return new AlarmRate(arms.get(arm).name(), rule, where, group.wanted, group.file, Rates.wilson(alarms, members.length), alarms,
            members.length);
    }

    List<ArmSummary> summaries() {
        List<ArmSummary> summaries = new ArrayList<>();
        for (int arm = 0; arm < arms.size(); arm++) {
            int number = arm;
            List<Answer> answers = IntStream.range(0, prompts.size()).mapToObj(p -> table.answer(number, p)).toList();
            summaries.add(new ArmSummary(arms.get(arm).name(), answers.size(), answers.stream().filter(Answer::stopped).count(),
                answers.stream().mapToLong(Answer::tokens).sum()));
        }
        return summaries;
    }
}
