package io.sails4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.InputException;
import io.sails4j.files.ForeignFile;
import io.sails4j.files.ShortText;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * Rows of named columns, whatever file they lie in: CSV or TSV with a header (RFC 4180), JSON lines, a JSON array of objects, any of
 * them in gzip, or Parquet. Every value is text.
 */
public final class RowFile {
    private final Path path;
    private final String kind;
    private final Map<String, Integer> positions;
    private final List<Row> rows;
    /** For each row the columns whose value is no text; none of a table, where all are. */
    private final List<BitSet> others;
    /** For each row the columns that have a value; none of a table, where all have. */
    private final List<BitSet> present;

    private RowFile(Path path, String kind, Map<String, Integer> positions, List<Row> rows, List<BitSet> others, List<BitSet> present) {
        this.path = path;
        this.kind = kind;
        this.positions = positions;
        this.rows = rows;
        this.others = others;
        this.present = present;
    }

    /**
     * A row.
     *
     * @param index from 0, over the rows of the file
     * @param origin where it begins in the file, for messages
     * @param values in the order of the columns; what is null or absent is empty, a list or an object is its JSON
     */
    public record Row(long index, Origin origin, List<String> values) {
        public Row {
            values = List.copyOf(values);
        }
    }

    /** Reads a whole file; its kind is told by its first bytes. */
    public static RowFile read(Path path) {
        return read(path, true);
    }

    /** The same of a file whose first line, where it is a table in text, is a row too: its columns are called 1, 2, 3 and so on. */
    public static RowFile readWithoutHeader(Path path) {
        return read(path, false);
    }

    private static RowFile read(Path path, boolean header) {
        try {
            DataFile file = DataFile.of(path);
            if (!file.isText() || file.beginning().startsWith("{") || path.toString().matches("(?i).*\\.(jsonl|json|ndjson)(\\.gz)?")) {
                return new ObjectRows(path).read(file);
            }
            // Any text is a table of one column: what stands in for a file must be found before it is read as one.
            ForeignFile.requireOwn(path);
            return new TableRows(path, header).read(file);
        } catch (InputException e) {
            throw ForeignFile.explained(path, e);
        }
    }

    /** Rows of cells under a header. */
    private static final class TableRows {
        private final Path path;
        private final Map<String, Integer> positions = new LinkedHashMap<>();
        private final List<Row> rows = new ArrayList<>();
        private final boolean header;
        private boolean started;

        TableRows(Path path, boolean header) {
            this.path = path;
            this.header = header;
        }

        RowFile read(DataFile file) {
            file.forEachCells(this::accept);
            if (!started) {
                throw new InputException(path + " is empty, expected a header and rows");
            }
            return new RowFile(path, file.kind().replace("JSON lines", header ? "a table in text with a header" : "a table in text"),
                positions, rows, List.of(), List.of());
        }

        private void accept(List<String> cells, long line) {
            if (!started) {
                started = true;
                for (String cell : cells) {
                    column(header ? cell : String.valueOf(positions.size() + 1));
                }
                if (header) {
                    return;
                }
            }
            if (cells.size() != positions.size()) {
                throw new InputException(path + " line " + line + " has " + cells.size() + (cells.size() == 1 ? " cell" : " cells")
                    + (header ? " and the header " : " and the first row ") + positions.size()
                    + ": put a cell with a separator, quote or line end in it in double quotes");
            }
            rows.add(new Row(rows.size(), Origin.line(path, line), cells));
        }

        private void column(String name) {
            if (positions.putIfAbsent(name.strip(), positions.size()) != null) {
                throw new InputException(path + " has two columns '" + name.strip() + "' in its header; rename one");
            }
        }
    }

    /** Objects, each with some of the columns. */
    private static final class ObjectRows {
        private final Path path;
        private final Map<String, Integer> positions = new LinkedHashMap<>();
        private final List<Map<String, String>> values = new ArrayList<>();
        private final List<Origin> origins = new ArrayList<>();
        private final List<BitSet> others = new ArrayList<>();
        private final List<BitSet> present = new ArrayList<>();

        ObjectRows(Path path) {
            this.path = path;
        }

        RowFile read(DataFile file) {
            file.forEach((json, number) -> accept(json, new Origin(path, file.unit(), number)), name -> true);
            if (values.isEmpty()) {
                throw new InputException(path + " is empty: there is no row in it");
            }
            List<Row> rows = new ArrayList<>();
            for (int i = 0; i < values.size(); i++) {
                Map<String, String> given = values.get(i);
                rows.add(new Row(i, origins.get(i), positions.keySet().stream().map(name -> given.getOrDefault(name, "")).toList()));
            }
            return new RowFile(path, file.kind(), positions, rows, others, present);
        }

        private void accept(JsonNode json, Origin origin) {
            if (!json.isObject()) {
                throw new InputException(origin + " is not a JSON object, expected one with a field for each column");
            }
            Map<String, String> row = new LinkedHashMap<>();
            BitSet other = new BitSet();
            BitSet has = new BitSet();
            json.properties().forEach(field -> {
                positions.putIfAbsent(field.getKey(), positions.size());
                row.put(field.getKey(), text(field.getValue()));
                int position = Objects.requireNonNull(positions.get(field.getKey()));
                other.set(position, !field.getValue().isTextual() && !field.getValue().isNull());
                has.set(position, !field.getValue().isNull());
            });
            values.add(row);
            others.add(other);
            present.add(has);
            origins.add(origin);
        }

        private static String text(JsonNode value) {
            return value.isNull() ? "" : value.isContainerNode() ? value.toString() : value.asText();
        }
    }

    /** The file that was read. */
    public Path path() {
        return path;
    }

    /** The kind of file, for people: {@code JSON lines}, {@code a table in text with a header}, {@code Parquet}, with its packing. */
    public String kind() {
        return kind;
    }

    /** The names of the columns, in the file's order; of objects in that of their first appearance. */
    public List<String> columns() {
        return List.copyOf(positions.keySet());
    }

    /** All rows, in the file's order. */
    public List<Row> rows() {
        return List.copyOf(rows);
    }

    /** Whether there is a column of this name. */
    public boolean has(String column) {
        return positions.containsKey(column);
    }

    /**
     * The values of a column, row by row.
     *
     * @throws InputException where there is no such column; the message lists those that there are
     */
    public List<String> column(String name) {
        Integer position = positions.get(name);
        if (position == null) {
            throw new InputException(path + " has no column '" + name + "', it has "
                + (positions.isEmpty() ? "none" : "'" + String.join("', '", positions.keySet()) + "'"));
        }
        return rows.stream().map(row -> row.values().get(position)).toList();
    }

    /**
     * The same of a column that holds texts: the JSON of a list or a number is none that anybody wrote.
     *
     * @throws InputException where there is no such column, or a value is no text
     */
    public List<String> texts(String name) {
        List<String> values = column(name);
        rows.forEach(row -> requireText(row, name));
        return values;
    }

    /**
     * The same where every row has a text, which may be empty: null, or no such field, is nothing that anybody wrote.
     *
     * @throws InputException where there is no such column, or a row has no text in it
     */
    public List<String> requiredTexts(String name) {
        List<String> values = texts(name);
        int position = Objects.requireNonNull(positions.get(name));
        for (int row = 0; row < present.size(); row++) {
            if (!present.get(row).get(position)) {
                throw new InputException(rows.get(row).origin() + " has nothing in '" + name
                    + "', expected a text; give it one, which may be empty (\"\"), or remove the row");
            }
        }
        return values;
    }

    /** That what a row has in a column is a text, or nothing; a column that is not there has nothing. */
    public void requireText(Row row, String column) {
        Integer position = positions.get(column);
        if (position != null && !others.isEmpty() && others.get(Math.toIntExact(row.index())).get(position)) {
            throw new InputException(row.origin() + " has " + ShortText.of(row.values().get(position), 63) + " in '" + column
                + "', expected a text");
        }
    }
}
