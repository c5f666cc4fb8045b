package io.sails4j.data;

import io.sails4j.InputException;
import java.io.BufferedInputStream;
import java.io.CharConversionException;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Predicate;
import java.util.zip.ZipException;

/**
 * A file of records, whose container is told by its first bytes: lines of JSON, a JSON array, a table as text (CSV, TSV), any of them in
 * gzip, or Parquet. Preference data takes what is no array for lines of JSON, tables too.
 */
final class DataFile {
    private static final int HEAD = 64;

    private final Path path;
    private final Container container;
    private final boolean gzip;

    private enum Container {
        LINES(Origin.Unit.LINE), ARRAY(Origin.Unit.ENTRY), PARQUET(Origin.Unit.ROW);

        private final Origin.Unit unit;

        Container(Origin.Unit unit) {
            this.unit = unit;
        }
    }

    private DataFile(Path path, Container container, boolean gzip) {
        this.path = path;
        this.container = container;
        this.gzip = gzip;
    }

    /** Looks at the beginning of a file. */
    static DataFile of(Path path) {
        if (!Files.isRegularFile(path)) {
            throw new InputException(path + (Files.exists(path) ? " is not a regular file" : " does not exist"));
        }
        String name = String.valueOf(path.getFileName());
        try {
            String head = head(path, false);
            boolean gzip = head.startsWith("\u001f\u008b");
            if (!gzip && name.endsWith(".gz")) {
                throw new InputException(path + (head.isEmpty() ? " is cut off: it is empty, expected gzip"
                    : " is not a gzip file, as its name says; rename it, or download it again"));
            }
            boolean parquet = head.startsWith("PAR1");
            if (!parquet && name.endsWith(".parquet")) {
                throw new InputException(path + " is not a Parquet file, as its name says: it does not begin with PAR1; download it again");
            }
            String text = gzip ? head(path, true) : head;
            boolean array = text.replaceFirst("^\u00ef\u00bb\u00bf", "").stripLeading().startsWith("[");
            return new DataFile(path, parquet ? Container.PARQUET : array ? Container.ARRAY : Container.LINES, gzip);
        } catch (EOFException e) {
            throw cutOff(path, Origin.Unit.LINE.named(0), e);
        } catch (ZipException e) {
            throw damaged(path, Origin.Unit.LINE.named(0), e);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + path + ": " + e, e);
        }
    }

    /** The first bytes, each as a character. */
    private static String head(Path path, boolean gzip) throws IOException {
        try (InputStream in = open(path, gzip)) {
            return new String(in.readNBytes(HEAD), StandardCharsets.ISO_8859_1);
        }
    }

    private static InputStream open(Path path, boolean gzip) throws IOException {
        InputStream raw = Files.newInputStream(path);
        int buffer = Math.clamp(Files.size(path), 512, 1 << 16);
        if (!gzip) {
            return new BufferedInputStream(raw, buffer);
        }
        try {
            return new BufferedInputStream(BoundedGzip.open(path, raw, buffer), buffer);
        } catch (IOException e) {
            raw.close();
            throw e;
        }
    }

    private static InputException cutOff(Path path, String last, IOException cause) {
        return new InputException(path + " is cut off: the gzip stream ends after " + last + "; copy or download it again", cause);
    }

    private static InputException damaged(Path path, String last, IOException cause) {
        return new InputException(path + " is damaged after " + last + ": " + cause.getMessage() + "; copy or download it again", cause);
    }

    /** What its records are counted in. */
    Origin.Unit unit() {
        return container.unit;
    }

    /** The kind of file in words. */
    String kind() {
        return switch (container) {
            case PARQUET -> "Parquet";
            case ARRAY -> "a JSON array";
            case LINES -> "JSON lines";
        } + (gzip ? " in gzip" : "");
    }

    /** Whether it holds lines, of JSON or of a table. */
    boolean isText() {
        return container == Container.LINES;
    }

    /** Its first characters that are no white space, without a byte order mark, to tell lines of JSON from a table. */
    String beginning() {
        try {
            return head(path, gzip).replaceFirst("^\u00ef\u00bb\u00bf", "").stripLeading();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + path + ": " + e, e);
        }
    }

    /** Gives every record to the sink, in order; of Parquet the columns that preference data has. */
    void forEach(RecordSink sink) {
        forEach(sink, FormatFinder.FIELDS::contains);
    }

    /** Gives every record to the sink, in order; of Parquet the columns that are wanted. */
    void forEach(RecordSink sink, Predicate<String> columns) {
        try {
            if (container == Container.PARQUET) {
                ParquetRows.forEach(path, columns, sink);
                return;
            }
            try (InputStream in = open(path, gzip)) {
                if (container == Container.ARRAY) {
                    array(new JsonArray(path, in), sink);
                } else {
                    lines(new JsonLines(path, in), sink);
                }
            }
        } catch (CharConversionException e) {
            // What looks like UTF-16 or UTF-32 to the JSON library.
            throw new InputException(path + " is not valid UTF-8: " + e.getMessage(), e);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + path + ": " + e, e);
        }
    }

    /** Gives every row of a table to the sink, its header as the first. */
    void forEachCells(CsvRows.Sink sink) {
        try (InputStream in = open(path, gzip)) {
            CsvRows rows = new CsvRows(path, in);
            try {
                rows.forEach(sink);
            } catch (EOFException e) {
                throw cutOff(path, unit().named(rows.line()), e);
            } catch (ZipException e) {
                throw damaged(path, unit().named(rows.line()), e);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + path + ": " + e, e);
        }
    }

    private void lines(JsonLines lines, RecordSink sink) throws IOException {
        try {
            lines.forEach(sink);
        } catch (EOFException e) {
            throw cutOff(path, unit().named(lines.done()), e);
        } catch (ZipException e) {
            throw damaged(path, unit().named(lines.done()), e);
        }
    }

    private void array(JsonArray array, RecordSink sink) throws IOException {
        try {
            array.forEach(sink);
        } catch (EOFException e) {
            throw cutOff(path, unit().named(array.done()), e);
        } catch (ZipException e) {
            throw damaged(path, unit().named(array.done()), e);
        }
    }
}
