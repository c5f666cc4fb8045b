package io.sails4j.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.data.ChatTemplate;
import io.sails4j.data.DataOptions;
import io.sails4j.data.TokenPair;
import io.sails4j.data.TokenPrompt;
import io.sails4j.data.TokenSequence;
import io.sails4j.data.Tokenizer;
import io.sails4j.data.Wanted;
import io.sails4j.eval.PromptFile;
import io.sails4j.files.AtomicFiles;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelSession;
import io.sails4j.monitor.Action;
import io.sails4j.monitor.CalibratedMonitor;
import io.sails4j.monitor.CalibrationOptions;
import io.sails4j.monitor.CalibrationText;
import io.sails4j.monitor.MonitorCalibrator;
import io.sails4j.monitor.MonitorFile;
import io.sails4j.monitor.Part;
import io.sails4j.monitor.Rule;
import io.sails4j.monitor.RuleQuality;
import io.sails4j.ops.Engine;
import io.sails4j.report.Reports;
import io.sails4j.stats.Interval;
import io.sails4j.steer.Feature;
import io.sails4j.subspace.SafetySubspace;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(name = "calibrate",
    description = {
        "Choose thresholds for features, or for the features of a safety subspace, by texts of which is known whether they should"
            + " raise an alarm: prompts to refuse against prompts to answer, or unaligned answers against aligned ones.",
        "Half of the texts choose, the other half tells how good the rules are."})
final class MonitorCalibrateCommand implements Callable<Integer> {
    @Spec
    private CommandSpec command;

    @Mixin
    private CommonOptions common;

    @Mixin
    private ModelArguments arguments;

    @Mixin
    private WeightArguments weights;

    @Option(names = "--sae", required = true, paramLabel = "LAYER=PATH",
        description = "SAE of the residual stream after LAYER; repeat for more layers")
    private List<String> saes = new ArrayList<>();

    @Option(names = "--subspace", paramLabel = "FILE", description = "a rule of each of its layers, by all features that it was made of")
    private @Nullable Path subspace;

    @Option(names = "--feature", paramLabel = "LAYER:FEATURE", description = "a rule of each layer, by these features; repeat for more")
    private List<String> features = new ArrayList<>();

    @Mixin
    private PromptArguments prompts;

    @Mixin
    private DataArguments data;

    @Option(names = "--on-alarm", defaultValue = "alarm", paramLabel = "ACTION",
        description = "what the rules do: log, alarm (default), stop, switch=NAME (to an adapter), or steer=LAYER:FEATURE=X[,...]")
    private String action;

    @Option(names = "--out", required = true, paramLabel = "DIR",
        description = "directory to write, with monitor.json and report.html")
    private Path out;

    @Override
    public Integer call() {
        AtomicFiles.requireFresh(out);
        CalibrationOptions options = OptionFlags.values(command, CalibrationOptions.defaults());
        options = new CalibrationOptions(options.falseAlarmRate(), options.window(), common.seed());
        Action does = MonitorArguments.action("--on-alarm", action, common);
        requireSources();
        SortedMap<Integer, int[]> wanted = features();
        SortedMap<Integer, Path> paths = SaeArguments.parse(saes, common);
        try (Engine engine = common.openEngine(); SaeArguments.Opened opened = SaeArguments.open(paths, engine);
             CausalModel model = arguments.load(engine, weights.model(common)); ModelSession session = ModelSession.open(model);
             ModelArguments.Opened adapters = arguments.openAdapters(model.config(), engine, common)) {
            List<CalibrationText> texts = data.given() ? answers() : prompts(model);
            CalibratedMonitor monitor;
            try (ProgressBar bar = common.progress("calibrate")) {
                monitor = MonitorCalibrator.calibrate(session, adapters.stack(), opened.saes(), wanted, texts,
                    data.given() ? Part.ANSWER : Part.PROMPT, does, options, bar);
            }
            MonitorFile.write(out.resolve(MonitorFile.NAME), monitor.spec(), monitor.quality());
            print(monitor, Reports.writeInto(out));
        }
        return 0;
    }

    private void requireSources() {
        if ((subspace == null) == features.isEmpty()) {
            throw common.wrong(subspace == null ? "no feature is named; add --subspace FILE or --feature LAYER:FEATURE"
                : "--subspace and --feature both name features; leave one out");
        }
        if (!data.given()) {
            OptionFlags.requireNone(command, DataOptions.defaults(), Set.of("template"), "it is about --data: leave it out");
        }
        if (prompts.given() == data.given()) {
            throw common.wrong(data.given() ? "--prompts and --data are both given: a monitor watches prompts or answers; leave one out"
                : "there are no texts; add --prompts FILE (prompts to refuse and to answer) or --data FILE (aligned and"
                    + " unaligned answers)");
        }
    }

    private SortedMap<Integer, int[]> features() {
        SortedMap<Integer, int[]> byLayer = new TreeMap<>();
        if (subspace != null) {
            SafetySubspace read = SafetySubspace.read(subspace);
            read.layers().forEach((layer, of) -> byLayer.put(layer, of.featureIds()));
            if (byLayer.values().stream().anyMatch(ids -> ids.length == 0)) {
                throw new InputException(subspace + " has a layer without features: it is a control, and says nothing about an SAE");
            }
        }
        for (String text : features) {
            Feature feature = SteerArguments.feature("--feature", text, common);
            byLayer.merge(feature.layer(), new int[] {feature.index()},
                (a, b) -> IntStream.concat(Arrays.stream(a), Arrays.stream(b)).toArray());
        }
        return byLayer;
    }

    /** A prompt's tokens count, all of them. */
    private List<CalibrationText> prompts(CausalModel model) {
        List<CalibrationText> texts = new ArrayList<>();
        int unknown = 0;
        try (Tokenizer tokenizer = Tokenizer.load(arguments.model())) {
            ChatTemplate chat = new ChatTemplate(tokenizer, data.options().template());
            for (PromptFile file : prompts.announced(common)) {
                for (TokenPrompt prompt : file.tokens(chat)) {
                    TokenPrompt.requireRoom(prompt.ids().length, 0, model.config(), prompt.origin());
                    if (prompt.wanted() == Wanted.UNKNOWN) {
                        unknown++;
                    } else {
                        texts.add(new CalibrationText(TokenSequence.answered(new int[0], prompt.ids(), prompt.origin()),
                            prompt.wanted() == Wanted.REFUSE, texts.size()));
                    }
                }
            }
        }
        if (unknown > 0) {
            common.message(
                unknown + " prompts are left out: nobody says whether they should raise an alarm (FILE=refuse or FILE=comply does)");
        }
        return texts;
    }

    /** An answer's tokens count but the last, which nothing is generated from; both answers to a prompt stay together. */
    private List<CalibrationText> answers() {
        List<CalibrationText> texts = new ArrayList<>();
        List<TokenPair> pairs = data.load(arguments.model(), common);
        for (int i = 0; i < pairs.size(); i++) {
            texts.add(new CalibrationText(withoutLast(pairs.get(i).aligned()), false, i));
            texts.add(new CalibrationText(withoutLast(pairs.get(i).unaligned()), true, i));
        }
        texts.removeIf(text -> text.tokens().countedTokens() == 0);
        return texts;
    }

    private static TokenSequence withoutLast(TokenSequence tokens) {
        return new TokenSequence(Arrays.copyOf(tokens.ids(), tokens.length() - 1), Arrays.copyOf(tokens.counted(), tokens.length() - 1),
            tokens.origin());
    }

    private void print(CalibratedMonitor monitor, Path page) {
        ObjectNode json = CommonOptions.object().put("out", out.toString()).put("report", page.toString());
        ArrayNode rules = json.putArray("rules");
        Table table = Table.withHeader("rule", "alarm", "features", "false alarms", "detected", "AUC");
        for (int i = 0; i < monitor.quality().size(); i++) {
            RuleQuality quality = monitor.quality().get(i);
            Rule rule = monitor.spec().rules().get(i);
            rules.add(quality.json());
            table.row(rule.name(), String.format(Locale.ROOT, "%s %.4g", rule.trigger().side().name().toLowerCase(Locale.ROOT),
                rule.trigger().on()), rule.signal().terms().size(), percent(quality.falseAlarms(), quality.quiet()),
                percent(quality.detected(), quality.alarming()), number(quality.auc()));
        }
        common.print(json, table);
        common
            .message("95 % intervals, on the half of the texts that chose nothing; " + out.resolve(MonitorFile.NAME) + ", report " + page);
    }

    private static String percent(Interval rate, int of) {
        return String.format(Locale.ROOT, "%.1f %% (%.1f to %.1f) of %d", 100 * rate.value(), 100 * rate.low(), 100 * rate.high(), of);
    }

    private static String number(Interval value) {
        return value.known() ? String.format(Locale.ROOT, "%.3f (%.3f to %.3f)", value.value(), value.low(), value.high()) : "-";
    }
}
