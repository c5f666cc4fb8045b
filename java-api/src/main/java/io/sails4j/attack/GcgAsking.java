package io.sails4j.attack;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.data.Progress;
import io.sails4j.eval.EvalProgress;
import io.sails4j.eval.EvalPrompt;
import io.sails4j.eval.EvalResult;
import io.sails4j.eval.Metric;
import io.sails4j.eval.OpenArm;
import io.sails4j.eval.Question;
import io.sails4j.options.Options;
import io.sails4j.train.StoppedException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Puts suffixes behind prompts: searches them for the arms that are attacked, and lends them to the arms of transfer. */
final class GcgAsking implements AttackAsking {
    private final Path model;
    private final GcgPlan plan;
    private final SearchMeter meter;
    private final Map<Integer, Integer> lentGroups = new HashMap<>();
    private @Nullable SuffixJournal journal;

    GcgAsking(Path model, GcgPlan plan, SearchMeter meter) {
        this.model = model;
        this.plan = plan;
        this.meter = meter;
    }

    @Override
    public ObjectNode origin() {
        // Another number of rows may round otherwise.
        return Options.deciding(plan.options()).put("kind", "gcg").put("rows", plan.rows());
    }

    @Override
    public Running open(Path state) {
        journal = new SuffixJournal(state);
        return this;
    }

    private SuffixJournal journal() {
        return Objects.requireNonNull(journal, "the run was not begun");
    }

    @Override
    public List<Question> questions(OpenArm arm, List<EvalPrompt> prompts, EvalProgress progress, BooleanSupplier stop) {
        String[] suffixes = new String[prompts.size()];
        if (arm.number() < plan.attacked()) {
            search(arm, prompts, suffixes, progress, stop);
        } else {
            String lent = best(plan.lender(arm.number()), lent(arm.number())).text();
            plan.groups().stream().flatMap(List::stream).forEach(prompt -> suffixes[prompt] = lent);
        }
        return IntStream.range(0, suffixes.length).mapToObj(i -> question(arm, prompts.get(i), suffixes[i])).toList();
    }

    private static Question question(OpenArm arm, EvalPrompt prompt, @Nullable String suffix) {
        return suffix == null ? new Question(arm.ids(prompt), 0, null)
            : new Question(arm.ids(prompt, prompt.request() + suffix), 0, JsonNodeFactory.instance.objectNode().put("suffix", suffix));
    }

    private void search(OpenArm arm, List<EvalPrompt> prompts, @Nullable String[] suffixes, EvalProgress progress, BooleanSupplier stop) {
        Progress bar = progress.begin(arm.name() + ": suffixes");
        SuffixVocabulary vocabulary = SuffixVocabulary.of(arm.tokenizer(), arm.session().model().config().vocabSize());
        GcgOptions options = plan.options();
        for (int group = 0; group < plan.groups().size(); group++) {
            List<SuffixPrompt> members = plan.groups().get(group).stream().map(prompts::get)
                .map(prompt -> new SuffixPrompt(arm, prompt, options.suffix(), Targets.ids(arm, prompt, options.target()))).toList();
            try (GcgSearch search = new GcgSearch(arm, vocabulary, members, options.search(), plan.rows(), plan.seed(), group,
                meter)) {
                run(search, arm, group, bar, stop);
            }
            GcgSearch.State best = best(arm.number(), group);
            members.forEach(member -> member.requireRendered(best.suffix()));
            plan.groups().get(group).forEach(prompt -> suffixes[prompt] = best.text());
        }
    }

    private void run(GcgSearch search, OpenArm arm, int group, Progress bar, BooleanSupplier stop) {
        List<GcgSearch.State> steps = journal().steps(arm.number(), group);
        long all = plan.options().search().steps();
        while (steps.size() <= all) {
            if (stop.getAsBoolean()) {
                throw new StoppedException("stopped after " + steps.size() + " of " + (all + 1) + " steps of suffix " + (group + 1) + " of "
                    + plan.groups().size() + " of " + arm.name() + "; the same run with resume=true goes on");
            }
            meter.begin();
            GcgSearch.State next = steps.isEmpty() ? search.begin() : search.next(steps.getLast());
            meter.end();
            journal().append(arm.number(), group, next);
            bar.update(group * (all + 1) + steps.size(), plan.groups().size() * (all + 1), meter.tokens());
        }
    }

    private GcgSearch.State best(int arm, int group) {
        return journal().steps(arm, group).stream().min(Comparator.comparingDouble(GcgSearch.State::loss)).orElseThrow();
    }

    /** The group whose suffix an arm of transfer has: those with the lowest losses of the lender's, the best first. */
    private int lent(int arm) {
        return lentGroups.computeIfAbsent(arm, this::found);
    }

    private int found(int arm) {
        int lender = plan.lender(arm);
        return IntStream.range(0, plan.groups().size()).boxed()
            .sorted(Comparator.comparingDouble(group -> best(lender, group).loss())).toList().get(plan.rank(arm));
    }

    @Override
    public boolean counts(int arm, int prompt) {
        return arm < plan.attacked() || !plan.groups().get(lent(arm)).contains(prompt);
    }

    @Override
    public AttackResult result(EvalResult evaluated) {
        List<String> names = evaluated.arms().stream().map(arm -> arm.arm()).toList();
        List<Curve> curves = new ArrayList<>();
        for (int arm = 0; arm < plan.attacked(); arm++) {
            for (int group = 0; group < plan.groups().size(); group++) {
                curves.add(curve(names.get(arm), arm, group));
            }
        }
        List<Transfer> transfers = new ArrayList<>();
        for (Metric metric : evaluated.metrics()) {
            int arm = names.indexOf(metric.arm());
            if (arm >= plan.attacked() && metric.file() == null) {
                int group = lent(arm);
                int lender = plan.lender(arm);
                transfers.add(new Transfer(best(lender, group).text(), plan.groups().get(group).getFirst(), names.get(lender), metric));
            }
        }
        return AttackResult.of(model, evaluated.ofArms(names.subList(0, plan.attacked()))).with(curves, transfers, meter.perSecond());
    }

    private Curve curve(String name, int arm, int group) {
        List<Double> losses = new ArrayList<>();
        double best = Double.POSITIVE_INFINITY;
        for (GcgSearch.State state : journal().steps(arm, group)) {
            best = Math.min(best, state.loss());
            losses.add(best);
        }
        return new Curve(name, plan.groups().get(group), best(arm, group).text(), losses);
    }

    @Override
    public void close() {
        journal().close();
    }
}
