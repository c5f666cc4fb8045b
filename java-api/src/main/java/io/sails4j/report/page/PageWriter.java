package io.sails4j.report.page;

import gg.jte.html.OwaspHtmlTemplateOutput;
import io.sails4j.report.templates.JtepageGenerated;

/** Pages as HTML. */
public final class PageWriter {
    private PageWriter() {
    }

    /** One file that needs no other: styles and charts are in it, scripts are in none. */
    public static String html(Page page) {
        CleanOutput html = new CleanOutput();
        JtepageGenerated.render(new OwaspHtmlTemplateOutput(html), null, page);
        return html.toString();
    }
}
