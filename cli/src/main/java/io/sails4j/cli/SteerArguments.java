package io.sails4j.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.config.ModelConfig;
import io.sails4j.data.Tokenizer;
import io.sails4j.model.StreamEdit;
import io.sails4j.ops.Engine;
import io.sails4j.sae.Sae;
import io.sails4j.steer.Feature;
import io.sails4j.steer.FeatureChange;
import io.sails4j.steer.FeatureEdits;
import io.sails4j.steer.FeatureWatch;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SortedMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Features that a command changes and reads. */
final class SteerArguments {
    private static final Pattern FEATURE = Pattern.compile("(\\d{1,9}):(\\d{1,9})");
    private static final Pattern FEATURE_AND_NUMBER = Pattern.compile("(\\d{1,9}:\\d{1,9})=([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)");

    @Option(names = "--sae", paramLabel = "LAYER=PATH",
        description = "SAE of the residual stream after LAYER, for the features below; repeat for more layers")
    private List<String> saes = new ArrayList<>();

    @Option(names = "--steer", paramLabel = "LAYER:FEATURE=X",
        description = "add X (negative: subtract) to the feature's activation at every token, which adds X times its decoder row to the"
            + " residual stream; repeat for more")
    private List<String> steered = new ArrayList<>();

    @Option(names = "--clamp", paramLabel = "LAYER:FEATURE=X",
        description = "X in place of the feature's activation at every token; repeat for more")
    private List<String> clamped = new ArrayList<>();

    @Option(names = "--ablate", paramLabel = "LAYER:FEATURE", description = "0 in place of the feature's activation; repeat for more")
    private List<String> ablated = new ArrayList<>();

    @Option(names = "--watch", paramLabel = "LAYER:FEATURE",
        description = "print the feature's activation at each token, after all changes; repeat for more")
    private List<String> watched = new ArrayList<>();

    /** What was asked for, before anything is opened. */
    record Asked(SortedMap<Integer, Path> paths, List<FeatureChange> changes, List<Feature> watched) {
        /** Opens the SAEs; closing frees them. */
        SaeArguments.Opened open(Engine engine) {
            return SaeArguments.open(paths, engine);
        }

        /** What the changes do to the residual stream, null where there are none. */
        @Nullable
        StreamEdit edit(ModelConfig model, Map<Integer, Sae> saes) {
            return changes.isEmpty() ? null : FeatureEdits.of(model, saes, changes);
        }

        /** Who reads the activations, null where nothing is watched. */
        @Nullable
        FeatureWatch watch(ModelConfig model, Map<Integer, Sae> saes) {
            return watched.isEmpty() ? null : new FeatureWatch(model, saes, watched);
        }
    }

    /** @param monitored whether a monitor reads the SAEs too */
    Asked asked(CommonOptions common, boolean monitored) {
        List<FeatureChange> changes = new ArrayList<>();
        for (String text : steered) {
            changes.add(steered("--steer", text, common));
        }
        for (String text : clamped) {
            Matcher parsed = numbered("--clamp", text, common);
            changes.add(new FeatureChange.Clamped(feature("--clamp", parsed.group(1), common), number("--clamp", text, parsed, common)));
        }
        ablated.forEach(text -> changes.add(FeatureChange.ablated(feature("--ablate", text, common))));
        List<Feature> features = watched.stream().map(text -> feature("--watch", text, common)).distinct().toList();
        boolean any = !changes.isEmpty() || !features.isEmpty() || monitored;
        if (any && saes.isEmpty()) {
            throw common.wrong("features are to be " + (monitored ? "monitored" : "changed or watched")
                + ", and there is no SAE; add --sae LAYER=PATH");
        }
        if (!any && !saes.isEmpty()) {
            throw common.wrong("--sae is given and no feature of it is used; add --steer, --clamp, --ablate, --watch or --monitor");
        }
        return new Asked(SaeArguments.parse(saes, common), changes, features);
    }

    static FeatureChange.Steered steered(String flag, String text, CommonOptions common) {
        Matcher parsed = numbered(flag, text, common);
        return new FeatureChange.Steered(feature(flag, parsed.group(1), common), number(flag, text, parsed, common));
    }

    private static Matcher numbered(String flag, String text, CommonOptions common) {
        Matcher matcher = FEATURE_AND_NUMBER.matcher(text);
        if (!matcher.matches()) {
            throw common.wrong(flag + " is '" + text + "', expected LAYER:FEATURE=X, for example 20:1234=40 or 20:1234=-12.5");
        }
        return matcher;
    }

    private static float number(String flag, String text, Matcher parsed, CommonOptions common) {
        try {
            return Float.parseFloat(parsed.group(2));
        } catch (NumberFormatException e) {
            throw common.wrong(flag + " is '" + text + "', and '" + parsed.group(2) + "' is no number; expected for example 40 or -12.5");
        }
    }

    static Feature feature(String flag, String text, CommonOptions common) {
        Matcher matcher = FEATURE.matcher(text);
        if (!matcher.matches()) {
            throw common.wrong(flag + " is '" + text + "', expected LAYER:FEATURE, for example 20:1234");
        }
        return new Feature(Integer.parseInt(matcher.group(1)), Integer.parseInt(matcher.group(2)));
    }

    /** Adds {@code watch}: for each feature its activations at the prompt's tokens and at the new ones. */
    static void write(FeatureWatch watch, float[][] activations, int promptLength, ObjectNode json) {
        ArrayNode all = json.putArray("watch");
        for (int f = 0; f < activations.length; f++) {
            ObjectNode one = all.addObject().put("layer", watch.features().get(f).layer()).put("feature", watch.features().get(f).index());
            ArrayNode ofPrompt = one.putArray("prompt");
            ArrayNode ofNew = one.putArray("new");
            for (int t = 0; t < activations[f].length; t++) {
                (t < promptLength ? ofPrompt : ofNew).add(activations[f][t]);
            }
        }
    }

    /** The activations at the new tokens, a token a line. */
    static String table(FeatureWatch watch, float[][] activations, int promptLength, int[] fresh, @Nullable Tokenizer tokenizer) {
        Table table = Table.withHeader(Stream.concat(Stream.of("position", "token"), watch.features().stream().map(String::valueOf))
            .toArray(String[]::new));
        for (int t = 0; t < fresh.length; t++) {
            int at = promptLength + t;
            String token = tokenizer == null ? String.valueOf(fresh[t]) : visible(tokenizer.decode(new int[] {fresh[t]}, false));
            table.row(Stream.concat(Stream.of((Object) at, token),
                Stream.of(activations).map(row -> String.format(Locale.ROOT, "%.3f", row[at]))).toArray());
        }
        return table.render();
    }

    /** A token in one line. */
    private static String visible(String token) {
        return "'" + token.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t") + "'";
    }
}
