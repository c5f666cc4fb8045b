package io.sails4j.report;

import io.sails4j.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/** Reports of the directories that evaluations, attacks, explanations and training runs write. */
public final class Reports {
    private Reports() {
    }

    /**
     * Reads what lies in output directories. A directory is recognised by {@code eval.json}, {@code attack.json}, {@code explain.json},
     * {@code monitor.json} or {@code sails_run.json}.
     *
     * @throws InputException where there is none of them, or one that is not understood
     */
    public static Report read(List<Path> directories) {
        if (directories.isEmpty()) {
            throw new InputException("there is no directory to report on, expected one or more");
        }
        List<ReportPart> parts = new ArrayList<>();
        directories.forEach(directory -> parts.addAll(new PartReader(directory, directory.toString()).read()));
        return new Report(parts);
    }

    /**
     * Writes {@code report.html} and {@code report.json} of what lies in an output directory beside it: the last step of whoever fills one.
     * The directory's own path stands in neither, so that the same results give the same bytes.
     *
     * @return the page
     */
    public static Path writeInto(Path directory) {
        String name = Objects.requireNonNullElse(directory.toAbsolutePath().normalize().getFileName(), directory).toString();
        return ReportWriter.write(directory, new Report(new PartReader(directory, name).read()));
    }
}
