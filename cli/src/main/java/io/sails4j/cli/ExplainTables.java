package io.sails4j.cli;

import io.sails4j.data.TokenText;
import io.sails4j.explain.AdapterExplanation;
import io.sails4j.explain.ExplainOptions;
import io.sails4j.explain.ExplainedFeature;
import io.sails4j.explain.ExplainedLayer;
import io.sails4j.explain.Explanation;
import io.sails4j.explain.PromptExplanation;
import io.sails4j.explain.SubspaceExplanation;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** An explanation as tables. Texts of tokens are escaped: they come from files. */
final class ExplainTables {
    private static final int WORDS = 4;
    private static final int PASSAGES_OF = 5;
    private static final int COMPONENTS = 12;

    private final int features;

    ExplainTables(ExplainOptions options) {
        this.features = options.features();
    }

    String render(Explanation explanation) {
        String text = switch (explanation) {
            case SubspaceExplanation subspace -> subspace(subspace);
            case AdapterExplanation adapter -> adapter(adapter);
            case PromptExplanation prompt -> prompt(prompt);
        };
        return text.stripTrailing() + "\n";
    }

    private String subspace(SubspaceExplanation explanation) {
        StringBuilder text = new StringBuilder();
        for (ExplainedLayer layer : explanation.layers()) {
            text.append("layer ").append(layer.layer()).append(": ").append(layer.features().size()).append(" of ").append(layer.dSae())
                .append(" features span ").append(layer.dimension()).append(" dimensions\n\n").append(spectrum(layer).render())
                .append('\n').append(features(layer).render()).append(more(layer.features().size())).append('\n');
            layer.features().stream().limit(PASSAGES_OF).filter(feature -> !feature.passages().isEmpty())
                .forEach(feature -> text.append(passages(feature)).append('\n'));
        }
        if (!explanation.angles().isEmpty()) {
            Table table = Table.withHeader("principal angles", "and", "degrees, rising");
            explanation.angles().forEach(a -> table.row(a.a(), a.b(),
                a.degrees().stream().map(d -> number(d, 1)).collect(Collectors.joining(" "))));
            text.append(table.render());
        }
        return text.toString();
    }

    private static Table spectrum(ExplainedLayer layer) {
        Table table = Table.withHeader("component", "variance", "share %", "cumulative %", "kept");
        layer.spectrum().stream().limit(Math.max(COMPONENTS, layer.dimension() + 1L)).forEach(c -> table.row(c.component(),
            figures(c.variance()), number(100 * c.share(), 1), number(100 * c.cumulative(), 1), c.kept() ? "yes" : "no"));
        return table;
    }

    private Table features(ExplainedLayer layer) {
        boolean counted = layer.features().stream().anyMatch(f -> f.activity() != null);
        Table table = counted
            ? Table.withHeader("feature", "score", "mean aligned", "unaligned", "active % aligned", "unaligned", "promotes", "page")
            : Table.withHeader("feature", "score", "promotes", "suppresses", "page");
        for (ExplainedFeature f : layer.features().subList(0, Math.min(features, layer.features().size()))) {
            String page = f.link() == null ? "" : f.link();
            ExplainedFeature.Activity a = f.activity();
            if (a == null) {
                table.row(f.feature(), figures(f.score()), words(f.promoted()), words(f.suppressed()), page);
            } else {
                table.row(f.feature(), figures(f.score()), figures(a.meanAligned()), figures(a.meanUnaligned()),
                    number(100 * a.frequencyAligned(), 2), number(100 * a.frequencyUnaligned(), 2), words(f.promoted()), page);
            }
        }
        return table;
    }

    private String more(int all) {
        return all > features ? "and " + (all - features) + " more in " + Explanation.FILE + "\n" : "";
    }

    /** One line about a feature: what it promotes, and where it fires most. */
    static String line(ExplainedFeature feature) {
        return "promotes " + words(feature.promoted())
            + (feature.passages().isEmpty() ? "" : ", fires on " + shaded(feature.passages().getFirst()));
    }

    private static String words(List<ExplainedFeature.TokenLogit> tokens) {
        return tokens.stream().limit(WORDS).map(t -> "'" + TokenText.escape(t.token()) + "'").collect(Collectors.joining(" "));
    }

    private static String passages(ExplainedFeature feature) {
        StringBuilder text = new StringBuilder("feature " + feature.feature() + " fires on (tokens in [ ]: at least half of the peak)\n");
        for (ExplainedFeature.Passage passage : feature.passages()) {
            text.append(String.format(Locale.ROOT, "  %-9s row %-6d peak %-8s ", passage.aligned() ? "aligned" : "unaligned", passage.row(),
                figures(passage.peak()))).append(shaded(passage)).append('\n');
        }
        return text.toString();
    }

    private static String shaded(ExplainedFeature.Passage passage) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < passage.tokens().size(); i++) {
            String token = TokenText.escape(passage.tokens().get(i));
            text.append(2 * passage.activations().get(i) >= passage.peak() && !token.isEmpty() ? "[" + token + "]" : token);
        }
        return text.toString();
    }

    private static String adapter(AdapterExplanation explanation) {
        boolean held = explanation.subspace() != null;
        Table modules = updates("module", held);
        explanation.modules().forEach(m -> row(modules, m.module().path(), m.update(), held));
        Table layers = updates("layer", held);
        explanation.layers().forEach(l -> row(layers, l.layer(), l.update(), held));
        StringBuilder text = new StringBuilder(modules.render()).append('\n').append(layers.render());
        for (AdapterExplanation.Layer layer : explanation.layers()) {
            if (!layer.features().isEmpty()) {
                text.append('\n').append(shifts(layer, held).render());
            }
        }
        return text.toString();
    }

    private static Table updates(String name, boolean held) {
        return held ? Table.withHeader(name, "norm of the update", "inside %", "random %") : Table.withHeader(name, "norm of the update");
    }

    private static void row(Table table, Object name, AdapterExplanation.Update update, boolean held) {
        if (held) {
            table.row(name, figures(update.norm()), number(100 * update.inside(), 2), number(100 * update.random(), 2));
        } else {
            table.row(name, figures(update.norm()));
        }
    }

    private static Table shifts(AdapterExplanation.Layer layer, boolean held) {
        String name = "feature after layer " + layer.layer();
        Table table = held ? Table.withHeader(name, "mean before", "after", "shift", "score in the subspace")
            : Table.withHeader(name, "mean before", "after", "shift");
        for (AdapterExplanation.Shift f : layer.features()) {
            if (held) {
                table.row(f.feature(), figures(f.meanBefore()), figures(f.meanAfter()), figures(f.shift()), figures(f.score()));
            } else {
                table.row(f.feature(), figures(f.meanBefore()), figures(f.meanAfter()), figures(f.shift()));
            }
        }
        return table;
    }

    private static String prompt(PromptExplanation explanation) {
        StringBuilder text = new StringBuilder();
        for (PromptExplanation.Layer layer : explanation.layers()) {
            List<String> header = new ArrayList<>(List.of("feature after layer " + layer.layer()));
            header.addAll(explanation.subspace() == null ? List.of() : List.of("score in the subspace"));
            header.addAll(List.of("peak", "at"));
            header.addAll(explanation.adapter() == null ? List.of() : List.of("adapted", "at"));
            Table table = Table.withHeader(header.toArray(String[]::new));
            for (PromptExplanation.Feature f : layer.features()) {
                List<Object> cells = new ArrayList<>(List.of(f.feature()));
                cells.addAll(explanation.subspace() == null ? List.of() : List.of(figures(f.score())));
                cells.addAll(strongest(f.base(), explanation));
                cells.addAll(f.adapted() == null ? List.of() : strongest(f.adapted(), explanation));
                table.row(cells.toArray());
            }
            text.append(table.render()).append('\n');
        }
        return text.toString();
    }

    /** Where a feature of a prompt is strongest. */
    private static List<String> strongest(List<Float> activations, PromptExplanation explanation) {
        int best = explanation.comparedFrom();
        for (int t = best + 1; t < activations.size(); t++) {
            best = activations.get(t) > activations.get(best) ? t : best;
        }
        return List.of(figures(activations.get(best)), activations.get(best) > 0
            ? "'" + TokenText.escape(explanation.tokens().get(best)) + "', token " + (best + 1) : "");
    }

    private static String figures(double value) {
        return Double.isNaN(value) ? "" : String.format(Locale.ROOT, "%.4g", value);
    }

    private static String number(double value, int digits) {
        return Double.isNaN(value) ? "" : String.format(Locale.ROOT, "%." + digits + "f", value);
    }
}
