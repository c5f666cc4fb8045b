package io.sails4j.eval;

import java.util.List;
import java.util.Optional;

/** The files of prompts that are known, each by the columns that it must have, in the order in which they are tried. */
public enum PromptFormat {
    /** Zou et al., arXiv:2307.15043: {@code goal}, {@code target}. */
    ADVBENCH("AdvBench", List.of("goal", "target")),
    /** Mazeika et al., arXiv:2402.04249: the behaviours' file. */
    HARMBENCH("HarmBench", List.of("Behavior", "FunctionalCategory", "SemanticCategory", "ContextString", "BehaviorID")),
    /** Chao et al., arXiv:2404.01318: harmful behaviours, or benign ones of the same shape. */
    JAILBREAKBENCH("JailbreakBench", List.of("Goal", "Target", "Behavior", "Category")),
    /** Röttger et al., arXiv:2308.01263, with labels. */
    XSTEST("XSTest", List.of("prompt", "type", "label")),
    /** The same, of before there were labels: unsafe prompts have a type that begins with {@code contrast}. */
    XSTEST_TYPES("XSTest", List.of("prompt", "type", "focus")),
    /** Preference data, HH-RLHF and what {@code align} reads besides. */
    PREFERENCES("preference data", List.of("chosen", "rejected")),
    /** Conversations. */
    MESSAGES("messages", List.of("messages")),
    /** Any table or JSON lines. */
    PROMPTS("prompts", List.of("prompt")),
    /** Alpaca's name for the same. */
    INSTRUCTIONS("instructions", List.of("instruction")),
    /** Qi et al., arXiv:2310.03693: a file a category, a prompt a line. */
    HEX_PHI("HEx-PHI", List.of()),
    /** A prompt a line. */
    LINES("lines of text", List.of());

    private final String title;
    private final List<String> columns;

    PromptFormat(String title, List<String> columns) {
        this.title = title;
        this.columns = columns;
    }

    /** Its name, for people. */
    public String title() {
        return title;
    }

    /** The columns by which it is recognised, none where it is no table. */
    public List<String> columns() {
        return columns;
    }

    /** The first whose columns are all there. */
    static Optional<PromptFormat> of(List<String> found) {
        for (PromptFormat format : values()) {
            if (!format.columns.isEmpty() && found.containsAll(format.columns)) {
                return Optional.of(format);
            }
        }
        return Optional.empty();
    }
}
