package io.sails4j.report.page;

import io.sails4j.report.PartOrigin;
import io.sails4j.report.SubspacePart;
import io.sails4j.report.SubspacePart.Angles;
import io.sails4j.report.SubspacePart.Component;
import io.sails4j.report.SubspacePart.Feature;
import io.sails4j.report.SubspacePart.Passage;
import java.util.List;

/** A safety subspace, layer by layer. */
public record SubspaceView(PartOrigin origin, List<Layer> layers, List<Angles> angles) implements SectionBody {
    private static final int MOST_FEATURES = 24;
    private static final int OPEN_PASSAGES = 2;

    /**
     * A layer.
     *
     * @param allFeatures how many there are; those that are not shown stand in {@code report.json}
     */
    public record Layer(SubspacePart.Layer of, List<SpectrumRow> spectrum, List<Card> cards, int allFeatures) {
    }

    /** A component and the bar of its share. */
    public record SpectrumRow(Component of, Bar share, Bar cumulative) {
    }

    /**
     * A feature.
     *
     * @param rank 1 = the strongest
     * @param link {@code https} alone, empty where there is none
     * @param open passages that are shown at once
     * @param folded passages that are opened
     */
    public record Card(int rank, Feature of, String link, List<Shaded> open, List<Shaded> folded) {
    }

    /** A passage with its shades. */
    public record Shaded(Passage of, List<TokenShade> tokens) {
        /** Where it is from. */
        public String from() {
            String side = of.side() == null ? "text" : of.side() + " answer";
            return of.row() == null ? side : side + ", line " + of.row();
        }
    }

    static SubspaceView of(SubspacePart part, String id) {
        return new SubspaceView(part.origin(), part.layers().stream().map(SubspaceView::layer).toList(), part.angles());
    }

    private static Layer layer(SubspacePart.Layer layer) {
        List<SpectrumRow> spectrum = layer.spectrum().stream().map(c -> new SpectrumRow(c,
            Bar.of(Scale.ofShares(), null, c.share(), null), Bar.of(Scale.ofShares(), null, c.cumulative(), null))).toList();
        List<Feature> features = layer.features();
        List<Card> cards = features.stream().limit(MOST_FEATURES).map(f -> card(features.indexOf(f) + 1, f)).toList();
        return new Layer(layer, spectrum, cards, features.size());
    }

    private static Card card(int rank, Feature feature) {
        double strongest = feature.maximum() != null ? feature.maximum()
            : feature.passages().stream().mapToDouble(Passage::peak).max().orElse(0);
        List<Shaded> passages = feature.passages().stream()
            .map(p -> new Shaded(p, TokenShade.of(p.tokens(), p.activations(), strongest))).toList();
        int open = Math.min(OPEN_PASSAGES, passages.size());
        return new Card(rank, feature, Links.https(feature.link()), passages.subList(0, open), passages.subList(open, passages.size()));
    }
}
