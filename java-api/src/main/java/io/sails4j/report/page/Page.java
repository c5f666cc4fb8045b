package io.sails4j.report.page;

import io.sails4j.report.AdapterPart;
import io.sails4j.report.AttackPart;
import io.sails4j.report.EvaluationPart;
import io.sails4j.report.MonitorPart;
import io.sails4j.report.PartOrigin;
import io.sails4j.report.PromptPart;
import io.sails4j.report.Report;
import io.sails4j.report.ReportPart;
import io.sails4j.report.SubspacePart;
import io.sails4j.report.TrainingPart;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** A report as its page shows it: first what it comes to, then a section for each thing, in the same order whatever was read first. */
public record Page(List<Headline> headlines, List<Section> sections, List<PartOrigin> origins) {
    public Page {
        headlines = List.copyOf(headlines);
        sections = List.copyOf(sections);
        origins = List.copyOf(origins);
    }

    /** The page of a report. */
    public static Page of(Report report) {
        List<ReportPart> parts = report.parts().stream().sorted(Comparator.comparingInt(Page::place)).toList();
        List<Section> sections = new ArrayList<>();
        for (ReportPart part : parts) {
            add(sections, part, part.origin().name());
        }
        // What safety costs comes after all that shows safety.
        List<EvaluationPart> costs = report.parts(EvaluationPart.class).stream().filter(part -> !part.utility().isEmpty()).toList();
        int after = (int) parts.stream().filter(part -> part instanceof EvaluationPart || part instanceof AttackPart).count();
        for (EvaluationPart part : costs) {
            sections.add(after++, new Section("utility-" + after, "Utility: " + part.origin().name(), UtilityView.of(part)));
        }
        return new Page(Headline.of(parts), sections, parts.stream().map(ReportPart::origin).toList());
    }

    private static int place(ReportPart part) {
        return switch (part) {
            case EvaluationPart _ -> 0;
            case AttackPart _ -> 1;
            case TrainingPart _ -> 2;
            case SubspacePart _ -> 3;
            case AdapterPart _ -> 4;
            case PromptPart _ -> 5;
            case MonitorPart _ -> 6;
        };
    }

    private static void add(List<Section> sections, ReportPart part, String name) {
        String id = part.kind() + "-" + (sections.size() + 1);
        sections.add(switch (part) {
            case EvaluationPart evaluation ->
                new Section(id, "Safety and over-refusal: " + name, EvaluationView.of(evaluation, id));
            case AttackPart attack -> new Section(id, "Attack " + attack.attack() + ": " + name, AttackView.of(attack, id));
            case TrainingPart training -> new Section(id, "Training: " + name, TrainingView.of(training, id));
            case SubspacePart subspace -> new Section(id, "Safety subspace: " + name, SubspaceView.of(subspace, id));
            case AdapterPart adapter -> new Section(id, "What the adapter changes: " + name, AdapterView.of(adapter));
            case PromptPart prompt -> new Section(id, "Features on a prompt: " + name, PromptView.of(prompt));
            case MonitorPart monitor -> new Section(id, "Monitor: " + name, MonitorView.of(monitor, id));
        });
    }
}
