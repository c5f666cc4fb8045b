package io.sails4j.report;

/** What one run gave to a report. */
public sealed interface ReportPart permits EvaluationPart, AttackPart, SubspacePart, AdapterPart, PromptPart, TrainingPart, MonitorPart {
    /** Which file it is from, and what that was made from. */
    PartOrigin origin();

    /** What it is called in {@code report.json}. */
    default String kind() {
        return switch (this) {
            case EvaluationPart _ -> "evaluation";
            case AttackPart _ -> "attack";
            case SubspacePart _ -> "subspace";
            case AdapterPart _ -> "adapter";
            case PromptPart _ -> "prompt";
            case TrainingPart _ -> "training";
            case MonitorPart _ -> "monitor";
        };
    }
}
