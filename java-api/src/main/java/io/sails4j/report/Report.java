package io.sails4j.report;

import java.util.List;

/**
 * What a report shows.
 *
 * @param parts in the order in which they are shown; one or more
 */
public record Report(List<ReportPart> parts) {
    /** The number of the schema of {@code report.json}. */
    public static final int FORMAT = 1;

    public Report {
        parts = List.copyOf(parts);
        if (parts.isEmpty()) {
            throw new IllegalArgumentException("a report has no part, expected one or more");
        }
    }

    /** The parts of one kind. */
    public <T extends ReportPart> List<T> parts(Class<T> kind) {
        return parts.stream().filter(kind::isInstance).map(kind::cast).toList();
    }
}
