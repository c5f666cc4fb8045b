package io.sails4j.cli;

import java.util.ArrayList;
import java.util.List;

/** A plain text table with aligned columns. Numbers go to the right. */
final class Table {
    private final List<String[]> rows = new ArrayList<>();
    private final boolean hasHeader;

    private Table(boolean hasHeader) {
        this.hasHeader = hasHeader;
    }

    static Table withHeader(String... names) {
        Table table = new Table(true);
        table.rows.add(names);
        return table;
    }

    /** A table of names and values. */
    static Table ofPairs() {
        return new Table(false);
    }

    Table row(Object... cells) {
        String[] texts = new String[cells.length];
        for (int i = 0; i < cells.length; i++) {
            texts[i] = String.valueOf(cells[i]);
        }
        rows.add(texts);
        return this;
    }

    String render() {
        int columns = rows.stream().mapToInt(r -> r.length).max().orElse(0);
        int[] widths = new int[columns];
        boolean[] numeric = new boolean[columns];
        for (int c = 0; c < columns; c++) {
            numeric[c] = hasHeader && rows.size() > 1;
            for (int r = 0; r < rows.size(); r++) {
                String cell = cell(r, c);
                widths[c] = Math.max(widths[c], cell.length());
                numeric[c] &= r == 0 || cell.isEmpty() || cell.matches("[-+]?[0-9][0-9 .,eE+%-]*");
            }
        }
        StringBuilder text = new StringBuilder();
        for (int r = 0; r < rows.size(); r++) {
            StringBuilder line = new StringBuilder();
            for (int c = 0; c < columns; c++) {
                String padding = " ".repeat(widths[c] - cell(r, c).length());
                line.append(numeric[c] ? padding + cell(r, c) : cell(r, c) + padding).append("  ");
            }
            text.append(line.toString().stripTrailing()).append('\n');
            if (r == 0 && hasHeader) {
                text.append("-".repeat(Math.max(1, line.length() - 2))).append('\n');
            }
        }
        return text.toString();
    }

    private String cell(int row, int column) {
        String[] cells = rows.get(row);
        return column < cells.length ? cells[column] : "";
    }
}
