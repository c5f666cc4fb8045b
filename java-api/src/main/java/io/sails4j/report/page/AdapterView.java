package io.sails4j.report.page;

import io.sails4j.report.AdapterPart;
import io.sails4j.report.AdapterPart.Module;
import io.sails4j.report.PartOrigin;
import java.util.List;

/** What an adapter changes, module by module. */
public record AdapterView(PartOrigin origin, List<Row> modules, List<AdapterPart.Layer> layers) implements SectionBody {
    private static final int MOST_SHIFTS = 24;

    /** A module, the bar of its share inside the subspace and the place of a random subspace's share. */
    public record Row(Module of, Bar inside, Bar random) {
    }

    static AdapterView of(AdapterPart part) {
        return new AdapterView(part.origin(), part.modules().stream().map(m -> new Row(m,
            Bar.of(Scale.ofShares(), null, m.inside(), null), Bar.of(Scale.ofShares(), null, m.random(), null))).toList(), part.layers());
    }

    /** The features of a layer that are shown. */
    public static List<AdapterPart.Shift> shown(AdapterPart.Layer layer) {
        return layer.features().stream().limit(MOST_SHIFTS).toList();
    }
}
