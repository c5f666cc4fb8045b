package io.sails4j.report.page;

import io.sails4j.report.EvaluationPart;
import io.sails4j.report.Measurement;
import io.sails4j.report.PartOrigin;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/** What safety costs, a table for each measure. */
public record UtilityView(PartOrigin origin, List<MeasurementTable> tables) implements SectionBody {
    public UtilityView {
        tables = List.copyOf(tables);
    }

    static UtilityView of(EvaluationPart part) {
        ArmColours colours = new ArmColours();
        part.answers().forEach(arm -> colours.of(arm.arm()));
        Set<String> measures = new LinkedHashSet<>();
        part.utility().forEach(m -> measures.add(m.measure()));
        List<MeasurementTable> tables = new ArrayList<>();
        for (String measure : measures) {
            tables.add(MeasurementTable.of(caption(measure), part.utility().stream().filter(m -> m.measure().equals(measure)).toList(),
                UtilityView::label, colours));
        }
        return new UtilityView(part.origin(), tables);
    }

    private static String caption(String measure) {
        return switch (measure) {
            case "perplexity" -> "Perplexity: lower is better";
            case "bits_per_byte" -> "Bits a byte: lower is better";
            case "kl_from_base" -> "Divergence from the base model (nats a token): lower is nearer";
            case "choice_acc" -> "Multiple choice, accuracy: higher is better";
            case "choice_acc_norm" -> "Multiple choice, accuracy by length: higher is better";
            default -> Numbers.words(measure);
        };
    }

    private static String label(Measurement m) {
        String file = m.file() == null ? "all files" : m.file();
        return m.category() == null ? file : file + ": " + m.category();
    }
}
