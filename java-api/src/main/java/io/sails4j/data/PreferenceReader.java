package io.sails4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.InputException;
import io.sails4j.files.ForeignFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Reads preference data: JSON lines or a JSON array, plain or gzipped, or Parquet, in one of the formats of {@link DataFormat}. The format
 * is that of most of the first usable records, and holds for the whole file. A file that is broken is an error; a record that cannot
 * be used (another format, empty answer, equal answers, different prompts, no assistant's turn, turns out of order) is left out, counted
 * and reported.
 */
public final class PreferenceReader {
    /** How many usable records decide on the file's format. */
    private static final int DECIDING = 16;
    /** More reasons than these are no sentence that one reads. */
    private static final int MAX_SENTENCES = 5;

    private final Path path;
    private final DataFile file;
    private final DataReport report;
    private final List<PreferencePair> pairs = new ArrayList<>();
    private final List<Waiting> waiting = new ArrayList<>();
    /** The file's, once it is settled. */
    private @Nullable DataFormat format;
    private boolean recognised;

    private PreferenceReader(Path path) {
        this.path = path;
        this.file = DataFile.of(path);
        this.report = new DataReport(file.unit());
    }

    /** A usable record that was read before the format of the file was settled. */
    private record Waiting(PairReader.Read read, DataFormat format, long number) {
    }

    /** Reads a whole file. No usable pair is an error. */
    public static PreferenceSet read(Path path) {
        try {
            return new PreferenceReader(path).read();
        } catch (InputException e) {
            throw ForeignFile.explained(path, e);
        }
    }

    private PreferenceSet read() {
        file.forEach(this::accept);
        DataFormat decided = format == null ? decide() : format;
        if (decided == null) {
            List<String> sentences = report.sentences();
            throw new InputException(path + " has no usable preference pair in " + report.read()
                + (sentences.isEmpty() ? "" : ": " + String.join("; ", sentences.subList(0, Math.min(MAX_SENTENCES, sentences.size()))))
                + (recognised ? "" : "; expected " + FormatFinder.EXPECTED));
        }
        return new PreferenceSet(pairs, decided, report);
    }

    private void accept(JsonNode json, long number) {
        report.count();
        DataFormat found = FormatFinder.of(json);
        if (found == null) {
            report.leaveOut(FormatFinder.whyNone(json), number);
            return;
        }
        recognised = true;
        if (format != null && found != format) {
            leaveOut(found, format, number);
            return;
        }
        try {
            Waiting record = new Waiting(PairReader.read(found, json, new Origin(path, file.unit(), number)), found, number);
            if (format != null) {
                use(record);
            } else {
                waiting.add(record);
                if (waiting.size() == DECIDING) {
                    decide();
                }
            }
        } catch (Unusable e) {
            report.leaveOut(e.reason(), number);
        }
    }

    /** Settles on the format of most of the records that wait, of the first one where several are as many; null where there is none. */
    private @Nullable DataFormat decide() {
        Map<DataFormat, Integer> counts = new EnumMap<>(DataFormat.class);
        waiting.forEach(record -> counts.merge(record.format, 1, Integer::sum));
        DataFormat most = null;
        for (Waiting record : waiting) {
            if (most == null || counts.getOrDefault(record.format, 0) > counts.getOrDefault(most, 0)) {
                most = record.format;
            }
        }
        format = most;
        for (Waiting record : waiting) {
            if (most != null && record.format != most) {
                leaveOut(record.format, most, record.number);
            } else {
                use(record);
            }
        }
        waiting.clear();
        return most;
    }

    private void leaveOut(DataFormat found, DataFormat wanted, long number) {
        report.leaveOut("its format is " + found.title() + ", that of the file is " + wanted.title(), number);
    }

    private void use(Waiting record) {
        pairs.add(record.read.pair());
        if (record.read.remark() != null) {
            report.remark(record.read.remark(), record.number);
        }
    }
}
