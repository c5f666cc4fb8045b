package io.sails4j.report;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.files.AtomicFiles;
import io.sails4j.report.page.Page;
import io.sails4j.report.page.PageWriter;
import java.nio.file.Path;

/** Writes reports. */
public final class ReportWriter {
    /** The page. */
    public static final String HTML = "report.html";
    /** The same numbers for programs. */
    public static final String JSON = "report.json";

    private ReportWriter() {
    }

    /**
     * Writes {@code report.html} and {@code report.json} into a directory, which is made where it is missing; each file appears whole or
     * not at all, and replaces an earlier one.
     *
     * @return the page
     */
    public static Path write(Path directory, Report report) {
        AtomicFiles.writeJson(directory.resolve(JSON), json(report));
        Path html = directory.resolve(HTML);
        AtomicFiles.writeString(html, PageWriter.html(Page.of(report)));
        return html;
    }

    /** What {@code report.json} holds; docs/report.md tells its schema. */
    public static ObjectNode json(Report report) {
        ObjectNode json = JsonNodeFactory.instance.objectNode().put("format", Report.FORMAT);
        ArrayNode parts = json.putArray("parts");
        for (ReportPart part : report.parts()) {
            ObjectNode node = parts.addObject().put("kind", part.kind());
            node.setAll(RecordReader.RECORDS.<ObjectNode>valueToTree(part));
        }
        return json;
    }
}
