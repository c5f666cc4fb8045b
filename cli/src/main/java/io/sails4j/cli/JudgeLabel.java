package io.sails4j.cli;

import io.sails4j.InputException;
import io.sails4j.data.RowFile;
import io.sails4j.judge.Verdict;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** What a person said of an answer, null where nobody did. */
record JudgeLabel(@Nullable Verdict verdict) {
    /** The labels of a column; one that is unknown is an error, which lists all that are there. */
    static List<JudgeLabel> ofColumn(RowFile file, String column) {
        List<JudgeLabel> labels = new ArrayList<>();
        TreeSet<String> unknown = new TreeSet<>();
        for (String text : file.column(column)) {
            Verdict verdict = verdict(text);
            if (verdict == null && !text.isBlank()) {
                unknown.add(text);
            }
            labels.add(new JudgeLabel(verdict));
        }
        if (!unknown.isEmpty()) {
            TreeSet<String> found = new TreeSet<>(file.column(column));
            found.remove("");
            throw new InputException(file.path() + " has in column '" + column + "' the labels " + found.stream().limit(8).toList()
                + (found.size() > 8 ? " and " + (found.size() - 8) + " more" : "") + ", expected full_compliance, full_refusal and"
                + " partial_refusal, with or without 1_, 2_, 3_ before them, or 1, 2, 3");
        }
        if (labels.stream().allMatch(label -> label.verdict == null)) {
            throw new InputException(file.path() + " has no label in column '" + column + "'");
        }
        return labels;
    }

    private static @Nullable Verdict verdict(String label) {
        String text = label.strip().toLowerCase(Locale.ROOT).replaceAll("[ -]", "_");
        for (Verdict verdict : Verdict.values()) {
            String number = String.valueOf(verdict.ordinal() + 1);
            if (text.equals(verdict.key()) || text.equals(number) || text.equals(number + ".0")
                || text.equals(number + "_" + verdict.key())) {
                return verdict;
            }
        }
        return null;
    }
}
