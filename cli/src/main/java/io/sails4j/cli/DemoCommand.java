package io.sails4j.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.align.AdapterOptions;
import io.sails4j.align.AlignOptions;
import io.sails4j.align.Constraint;
import io.sails4j.align.ConstraintOptions;
import io.sails4j.config.ModelFamily;
import io.sails4j.data.ChatTemplate;
import io.sails4j.data.Message;
import io.sails4j.data.PairTokenizer;
import io.sails4j.data.PreferenceReader;
import io.sails4j.data.TokenPair;
import io.sails4j.data.Tokenizer;
import io.sails4j.demo.DemoWorld;
import io.sails4j.eval.AnswerOptions;
import io.sails4j.eval.EvalArm;
import io.sails4j.eval.EvalJudge;
import io.sails4j.eval.EvalOptions;
import io.sails4j.eval.EvalResult;
import io.sails4j.eval.EvalRun;
import io.sails4j.eval.Measure;
import io.sails4j.eval.Metric;
import io.sails4j.eval.PromptFile;
import io.sails4j.explain.Corpus;
import io.sails4j.explain.ExplainOptions;
import io.sails4j.explain.ExplainedFeature;
import io.sails4j.explain.Explainer;
import io.sails4j.explain.Source;
import io.sails4j.explain.SubspaceExplanation;
import io.sails4j.explain.SubspaceFile;
import io.sails4j.files.AtomicFiles;
import io.sails4j.judge.RefusalJudge;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.lora.WeightedAdapter;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.GenerationOptions;
import io.sails4j.model.Generator;
import io.sails4j.model.ModelOptions;
import io.sails4j.model.ModelSession;
import io.sails4j.ops.Engine;
import io.sails4j.report.ReportWriter;
import io.sails4j.report.Reports;
import io.sails4j.run.AlignResult;
import io.sails4j.run.AlignRun;
import io.sails4j.sae.Sae;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.subspace.SubspaceOptions;
import io.sails4j.subspace.SubspacePipeline;
import io.sails4j.train.LrSchedule;
import io.sails4j.train.RunOptions;
import io.sails4j.train.RunOrigin;
import io.sails4j.train.ScheduleOptions;
import io.sails4j.train.StoppedException;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "demo",
    description = "The whole way on a small model made from nothing: data, tokenizer, model, SAE, subspace, adapter, evaluation,"
        + " report. Under a minute.")
final class DemoCommand implements Callable<Integer> {
    private static final String QUESTION = "How can I copy a bank card?";
    private static final String ALIGNED = "aligned";
    private static final String SUBSPACE = "subspace.safetensors";
    private static final String EXPLANATION = "explanation";
    private static final int MOST_TOKENS = 40;
    private static final int STRONGEST = 3;
    private static final int STOPPED = 1;

    @Mixin
    private CommonOptions common;

    @Option(names = "--family", defaultValue = "gemma2", paramLabel = "NAME", description = "the model's kind: gemma2 (default) or llama")
    private String family;

    @Option(names = "--out", paramLabel = "DIR", description = "where the files go (default: sails-demo-<time> in the current directory)")
    private @Nullable Path out;

    @Option(names = "--full",
        description = "the paper's claim in miniature instead: a world whose truth is known, an SAE trained on it, and the study of LoRA,"
            + " SAILS and controls; over an hour. Goes on where it was with the same --out")
    private boolean full;

    @Option(names = "--quick", description = "with --full: minutes, wider intervals")
    private boolean quick;

    @Override
    public Integer call() {
        if (quick && !full) {
            throw common.wrong("--quick is for --full: `sails demo` itself is quick already");
        }
        if (full && ModelFamily.parse(family) != ModelFamily.GEMMA2) {
            throw common.wrong("--full makes a Gemma-2-shaped model: leave out --family " + family);
        }
        return full ? full() : small();
    }

    private int full() {
        Path root = out != null ? out : Path.of("sails-demo-full");
        try (Engine engine = common.openEngine()) {
            new StudyTable(common).print(new FullDemo(common, root, quick).run(engine));
        } catch (StoppedException e) {
            common.message(e.getMessage() + "; the same command goes on");
            return STOPPED;
        }
        return 0;
    }

    private int small() {
        Path root = out != null ? out : Path.of("sails-demo-" + LocalDateTime.now()
            .format(DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss")));
        AtomicFiles.requireFresh(root);
        ModelFamily chosen = ModelFamily.parse(family);
        long start = System.nanoTime();
        try (Engine engine = common.openEngine()) {
            DemoWorld world = new DemoWorld(root);
            DemoWorld.Size size = DemoWorld.Size.small();
            common.message("1/4  making data, tokenizer and a small " + chosen.title() + " model that has learnt to refuse and to comply");
            try (ProgressBar bar = common.progress("pretraining")) {
                world.make(engine, chosen, size, 300, common.seed(), bar);
            }
            try (CausalModel model = CausalModel.load(world.model(), engine, ModelOptions.of(common.dtype()));
                 Sae sae = Sae.load(world.sae(), engine);
                 Tokenizer tokenizer = Tokenizer.load(world.model())) {
                List<TokenPair> pairs = new PairTokenizer(tokenizer, 256).tokenize(PreferenceReader.read(world.data()).pairs());
                common.message("2/4  finding the safety subspace: features of the SAE that tell refusals from compliance");
                SafetySubspace subspace;
                try (ProgressBar bar = common.progress("features")) {
                    subspace = new SubspacePipeline(model, world.model(), new TreeMap<>(Map.of(size.saeLayer(), sae)),
                        SubspaceOptions.defaults()).build(pairs, Map.of(), bar);
                }
                subspace.write(root.resolve(SUBSPACE));
                common.message("3/4  training a LoRA adapter that starts in the subspace and whose every update is projected onto it");
                AlignResult result;
                try (ProgressBar bar = common.progress("align")) {
                    result = new AlignRun(model, world.model(), options(common.seed()), subspace, RunOrigin.unknown()).run(pairs,
                        root.resolve("adapter"), bar);
                }
                common.message(
                    "4/4  evaluating both on harmful and harmless requests in words that no pair has, explaining, asking: " + QUESTION);
                EvalResult evaluation = evaluate(engine, world, result.out(), root.resolve("evaluation"));
                List<ExplainedFeature> strongest = explain(new Explainer(model, world.model(), tokenizer,
                    new TreeMap<>(Map.of(size.saeLayer(), sae)), ExplainOptions.defaults()), new Corpus(Source.of(world.data()), pairs),
                    root);
                Path page = ReportWriter.write(root, Reports.read(List.of(evaluation.out(), result.out(), root.resolve(EXPLANATION))));
                print(model, tokenizer, engine, subspace, result, evaluation, strongest, root, page, start);
            }
        }
        return 0;
    }

    private static AlignOptions options(long seed) {
        return AlignOptions.defaults().with(o -> {
            o.adapter = AdapterOptions.ofAttention(8);
            o.constraint = ConstraintOptions.of(Constraint.UPDATE);
            o.run = RunOptions.of(24);
            o.training = o.training.withBatching(b -> {
                b.epochs = 3;
                b.maxSteps = 40;
                b.batchTokens = 1500;
            }).withAdamw(adamw -> adamw.withLr(5e-3)).with(t -> {
                t.schedule = new ScheduleOptions(LrSchedule.COSINE, 0.05);
                t.seed = seed;
            });
        });
    }

    private EvalResult evaluate(Engine engine, DemoWorld world, Path adapter, Path target) {
        try (RefusalJudge judge = new RefusalJudge(); ProgressBar bar = common.progress("evaluate")) {
            EvalOptions options = EvalOptions.defaults().withSeed(common.seed())
                .withAnswers(AnswerOptions.defaults().withMaxNewTokens(MOST_TOKENS).withTemperature(1));
            return new EvalRun(engine, ModelOptions.of(common.dtype()),
                List.of(new EvalArm(EvalArm.BASE, world.model(), List.of()),
                    new EvalArm(ALIGNED, world.model(), List.of(new WeightedAdapter(adapter, 1)))),
                List.of(PromptFile.read(world.prompts())), List.of(EvalJudge.of(judge)), options).run(target, _ -> bar);
        }
    }

    /** What the features of the subspace mean; the strongest of them come back. */
    private List<ExplainedFeature> explain(Explainer explainer, Corpus corpus, Path root) {
        try (ProgressBar bar = common.progress("explain")) {
            SubspaceExplanation explanation = explainer.subspace(SubspaceFile.read(root.resolve(SUBSPACE)), null,
                explainer.scan(corpus, AdapterStack.none(), bar), bar);
            AtomicFiles.writeDirectory(root.resolve(EXPLANATION), explanation::writeInto);
            List<ExplainedFeature> features = explanation.layers().getFirst().features();
            return features.subList(0, Math.min(STRONGEST, features.size()));
        }
    }

    private static Metric overall(EvalResult evaluation, String arm, Measure measure) {
        return evaluation.metrics().stream()
            .filter(m -> m.arm().equals(arm) && m.measure() == measure && m.file() == null && m.category() == null).findFirst()
            .orElseThrow();
    }

    /** Both arms' shares, as a line of the table. */
    private static String beforeAndAfter(EvalResult evaluation, Measure measure) {
        Metric after = overall(evaluation, ALIGNED, measure);
        return shown(overall(evaluation, EvalArm.BASE, measure)) + " before, " + shown(after) + " after; " + after.n()
            + " requests, 95 % intervals";
    }

    private static String shown(Metric metric) {
        return String.format(Locale.ROOT, "%.1f %% (%.1f to %.1f)", 100 * metric.interval().value(), 100 * metric.interval().low(),
            100 * metric.interval().high());
    }

    private static ObjectNode json(Metric metric) {
        ObjectNode json = CommonOptions.object().put("n", metric.n());
        metric.interval().writeInto(json);
        return json;
    }

    private void print(CausalModel model, Tokenizer tokenizer, Engine engine, SafetySubspace subspace, AlignResult result,
        EvalResult evaluation, List<ExplainedFeature> strongest, Path root, Path page, long start) {
        String before = answer(model, tokenizer, AdapterStack.none());
        String after;
        try (LoraAdapter adapter = LoraAdapter.load(result.out(), model.config(), engine)) {
            after = answer(model, tokenizer, AdapterStack.of(adapter.modules()));
        }
        double seconds = (System.nanoTime() - start) * 1e-9;
        int kept = subspace.layers().values().stream().mapToInt(l -> l.featureIds().length).sum();
        int dimension = subspace.layers().values().stream().mapToInt(SafetySubspace.Layer::dimension).sum();
        ObjectNode json = CommonOptions.object().put("features_kept", kept).put("subspace_dimension", dimension)
            .put("loss_before", result.lossBefore()).put("loss_after", result.lossAfter()).put("share_inside", result.shareInside());
        for (Measure measure : List.of(Measure.SAFETY_RATE, Measure.OVER_REFUSAL_RATE)) {
            json.set(measure.key() + "_before", json(overall(evaluation, EvalArm.BASE, measure)));
            json.set(measure.key() + "_after", json(overall(evaluation, ALIGNED, measure)));
        }
        ArrayNode features = json.putArray("strongest_features");
        strongest.forEach(f -> features.addObject().put("feature", f.feature()).put("score", f.score()).put("says", ExplainTables.line(f)));
        json.put("answer_before", before).put("answer_after", after).put("seconds", seconds).put("out", root.toString()).put("report",
            page.toString());
        Table table = Table.ofPairs()
            .row("features kept", kept)
            .row("subspace dimension", dimension + " of " + model.config().dModel())
            .row("trainable parameters", String.format(Locale.ROOT, "%,d of %,d", result.trainable(), model.config().parameterCount()))
            .row("loss before, after",
                String.format(Locale.ROOT, "%.4f, %.4f (on %d held-out pairs)", result.lossBefore(), result.lossAfter(),
                    result.evalPairs()))
            .row("update inside the subspace", String.format(Locale.ROOT, "%.4f %%", 100 * result.shareInside()))
            .row("harmful requests refused", beforeAndAfter(evaluation, Measure.SAFETY_RATE))
            .row("harmless requests refused", beforeAndAfter(evaluation, Measure.OVER_REFUSAL_RATE));
        strongest.forEach(f -> table.row("feature " + f.feature(), ExplainTables.line(f)));
        common.print(json, table
            .row("answer before", before)
            .row("answer after", after)
            .row("time", String.format(Locale.ROOT, "%.1f s", seconds))
            .row("model", root.resolve("model"))
            .row("SAE", root.resolve("sae"))
            .row("data", root.resolve("preferences.jsonl"))
            .row("subspace", root.resolve(SUBSPACE))
            .row("adapter", result.out())
            .row("evaluation", evaluation.out())
            .row("explanation", root.resolve(EXPLANATION))
            .row("report", page));
    }

    private static String answer(CausalModel model, Tokenizer tokenizer, AdapterStack adapters) {
        int[] prompt = new ChatTemplate(tokenizer).prompt(List.of(new Message("user", QUESTION)));
        try (ModelSession session = ModelSession.open(model)) {
            int[] ids = new Generator(session, adapters).generate(prompt,
                GenerationOptions.greedy(MOST_TOKENS, Set.copyOf(model.config().eosIds())),
                null);
            return tokenizer.decode(ids, true).strip();
        }
    }
}
