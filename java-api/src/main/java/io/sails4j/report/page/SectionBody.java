package io.sails4j.report.page;

import io.sails4j.report.PartOrigin;

/** What a section shows. */
public sealed interface SectionBody permits EvaluationView, AttackView, UtilityView, SubspaceView, AdapterView, PromptView, TrainingView,
    MonitorView {
    /** Which file it is from. */
    PartOrigin origin();
}
