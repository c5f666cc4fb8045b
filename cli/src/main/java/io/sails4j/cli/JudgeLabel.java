package io.sails4j.cli;

import io.sails4j.InputException;
import io.sails4j.data.RowFile;
import io.sails4j.judge.Verdict;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** What a person said of an answer, null where nobody did. */
record JudgeLabel(@Nullable Verdict verdict) {
    /** The labels of a column; one that is unknown is an error, which lists all that are there. */
    static List<JudgeLabel> ofColumn(RowFile file, String column) {
        List<JudgeLabel> labels = new ArrayList<>();
        TreeSet<String> unknown = new TreeSet<>();
        for (String text : file.column(column)) {
            Verdict verdict = Verdict.parse(text).orElse(null);
            if (verdict == null && !text.isBlank()) {
                unknown.add(text);
            }
            labels.add(new JudgeLabel(verdict));
        }
        if (!unknown.isEmpty()) {
            TreeSet<String> found = new TreeSet<>(file.column(column));
            found.remove("");
            throw new InputException(file.path() + " has in column '" + column + "' the labels " + found.stream().limit(8).toList()
                + (found.size() > 8 ? " and " + (found.size() - 8) + " more" : "") + ", expected " + Verdict.LABELS);
        }
        if (labels.stream().allMatch(label -> label.verdict == null)) {
            throw new InputException(file.path() + " has no label in column '" + column + "'");
        }
        return labels;
    }
}
