package io.sails4j.serve;

import io.sails4j.InputException;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;

/** Where a server listens, and what it takes. */
@OptionGroup("Server")
public record ServeOptions(
    @Described(value = "address to listen at; others than this machine's own reach it where it is 0.0.0.0 or ::", label = "ADDRESS",
        decides = false) String host,
    @Described(value = "0 = any free one; it is printed", label = "N", decides = false) int port,
    @Described(value = "KiB of a request's body, at most", label = "N", decides = false) int maxBodyKib,
    @Described(value = "seconds that an answer may take, waiting included", label = "N", decides = false) int timeLimitS,
    @Described(value = "seconds that answers under way may take when the server is asked to end", label = "N",
        decides = false) int drainS) {
    private static final int MOST_SECONDS = 7 * 24 * 3600;

    public ServeOptions {
        InputException.requireOption(!host.isBlank(), "host", host, "an address");
        InputException.requireOption(port >= 0 && port <= 65535, "port", port, "0 (any) to 65535");
        InputException.requireOption(maxBodyKib >= 1 && maxBodyKib <= 1 << 20, "max_body_kib", maxBodyKib, "1 to 1048576");
        InputException.requireOption(timeLimitS >= 1 && timeLimitS <= MOST_SECONDS, "time_limit_s", timeLimitS, "1 to " + MOST_SECONDS);
        InputException.requireOption(drainS >= 0 && drainS <= MOST_SECONDS, "drain_s", drainS, "0 to " + MOST_SECONDS);
    }

    /** This machine alone, port 8080, bodies of a MiB, ten minutes an answer, half a minute to end. */
    public static ServeOptions defaults() {
        return new ServeOptions("127.0.0.1", 8080, 1024, 600, 30);
    }
}
