package io.sails4j.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.dataformat.csv.CsvFactory;
import com.fasterxml.jackson.dataformat.csv.CsvParser;
import com.fasterxml.jackson.dataformat.csv.CsvSchema;
import io.sails4j.InputException;
import io.sails4j.files.JsonFiles;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Reads the rows of a table in text, RFC 4180: cells in quotes may hold separators, quotes (twice) and line ends. Empty lines are no rows.
 */
final class CsvRows {
    private static final CsvFactory CSV = CsvFactory.builder()
        .enable(CsvParser.Feature.WRAP_AS_ARRAY)
        .enable(CsvParser.Feature.SKIP_EMPTY_LINES)
        .streamReadConstraints(StreamReadConstraints.builder().maxStringLength(DataJson.MAX_RECORD_BYTES).build())
        .build();
    /** How far the header may reach in which the separator is looked for. */
    private static final int HEADER = 1 << 14;

    private final Path path;
    private final BufferedReader in;
    private long line;

    /** Takes rows one after another. */
    @FunctionalInterface
    interface Sink {
        /**
         * A row.
         *
         * @param line where it begins, from 1
         */
        void accept(List<String> cells, long line);
    }

    CsvRows(Path path, InputStream in) {
        this.path = path;
        // A decoder that is given reports malformed bytes; a name of a character set would replace them.
        this.in = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8.newDecoder()), HEADER);
    }

    /** Where the row begins that was read last. */
    long line() {
        return line;
    }

    void forEach(Sink sink) throws IOException {
        try {
            char separator = separator();
            try (CsvParser parser = CSV.createParser(in)) {
                parser.setSchema(CsvSchema.emptySchema().withColumnSeparator(separator));
                parser.nextToken();
                while (parser.nextToken() == JsonToken.START_ARRAY) {
                    List<String> cells = new ArrayList<>();
                    line = parser.currentLocation().getLineNr();
                    while (parser.nextToken() != JsonToken.END_ARRAY) {
                        cells.add(parser.getText());
                    }
                    sink.accept(cells, line);
                }
            }
        } catch (CharacterCodingException e) {
            throw new InputException(
                path + " is not valid UTF-8 in or after the row of line " + line + "; convert the file (iconv -t UTF-8)", e);
        } catch (JsonProcessingException e) {
            throw new InputException(path + " is not a table that can be read in the row of line " + line + ": "
                + JsonFiles.reasonAndPlace(e)
                + "; expected cells between separators, and a cell with quotes, separators or line ends in it in double quotes", e);
        }
    }

    /** Reads past a byte order mark and finds what the header's cells are separated by: what is there most often of , tab and ;. */
    private char separator() throws IOException {
        in.mark(HEADER);
        if (in.read() != '\ufeff') {
            in.reset();
        }
        in.mark(HEADER);
        int[] counts = new int[128];
        boolean quoted = false;
        int c = in.read();
        for (int i = 1; i < HEADER && c >= 0 && (quoted || c != '\n' && c != '\r'); i++) {
            quoted ^= c == '"';
            if (!quoted && c < counts.length) {
                counts[c]++;
            }
            c = in.read();
        }
        in.reset();
        return counts['\t'] > Math.max(counts[','], counts[';']) ? '\t' : counts[';'] > counts[','] ? ';' : ',';
    }
}
