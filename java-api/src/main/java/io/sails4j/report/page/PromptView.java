package io.sails4j.report.page;

import io.sails4j.report.PartOrigin;
import io.sails4j.report.PromptPart;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;

/** Features on one text, before and after an adapter. */
public record PromptView(PartOrigin origin, List<Layer> layers) implements SectionBody {
    private static final int MOST_FEATURES = 24;

    /** The features of a layer that are shown, and how many there are. */
    public record Layer(int layer, List<Feature> features, int all) {
    }

    /** A feature: its shades of the model alone, and of the model with the adapter where there is one. */
    public record Feature(PromptPart.Feature of, List<Line> lines) {
    }

    /** The text as one model sees it. */
    public record Line(String model, double peak, List<TokenShade> tokens) {
    }

    static PromptView of(PromptPart part) {
        return new PromptView(part.origin(), part.layers().stream().map(layer -> new Layer(layer.layer(),
            layer.features().stream().limit(MOST_FEATURES).map(feature -> feature(part.tokens(), feature)).toList(),
            layer.features().size())).toList());
    }

    private static Feature feature(List<String> tokens, PromptPart.Feature feature) {
        List<Double> adapted = feature.adapted() == null ? List.of() : feature.adapted();
        double strongest = Stream.concat(feature.base().stream(), adapted.stream()).mapToDouble(Double::doubleValue).max().orElse(0);
        List<Line> lines = new ArrayList<>();
        lines.add(line("base", tokens, feature.base(), strongest));
        if (feature.adapted() != null) {
            lines.add(line("with the adapter", tokens, adapted, strongest));
        }
        return new Feature(feature, lines);
    }

    private static Line line(String model, List<String> tokens, List<Double> activations, double strongest) {
        return new Line(model, activations.isEmpty() ? 0 : Collections.max(activations), TokenShade.of(tokens, activations, strongest));
    }
}
