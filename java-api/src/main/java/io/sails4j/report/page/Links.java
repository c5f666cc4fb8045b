package io.sails4j.report.page;

import java.net.URI;
import java.net.URISyntaxException;
import org.jspecify.annotations.Nullable;

/** Links that a page may have: what a file calls a link may be anything. */
final class Links {
    private Links() {
    }

    /** The address where it is a whole one of the web, else empty. */
    static String https(@Nullable String link) {
        if (link == null) {
            return "";
        }
        try {
            URI address = new URI(link);
            return "https".equals(address.getScheme()) && address.getHost() != null && address.getUserInfo() == null
                ? address.toASCIIString() : "";
        } catch (URISyntaxException _) {
            return "";
        }
    }
}
