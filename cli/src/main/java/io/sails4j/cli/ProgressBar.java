package io.sails4j.cli;

import io.sails4j.data.Progress;
import java.io.PrintWriter;
import java.util.Locale;

/**
 * Progress on standard error: silent for the first two seconds, then a line that is redrawn on a terminal, or printed every
 * ten seconds where standard error is a file.
 */
final class ProgressBar implements Progress, AutoCloseable {
    private static final long QUIET_NANOS = 2_000_000_000L;
    private static final long TERMINAL_NANOS = 200_000_000L;
    private static final long FILE_NANOS = 10_000_000_000L;
    private static final int WIDTH = 28;

    private final String label;
    private final PrintWriter err;
    private final boolean terminal;
    private final long start = System.nanoTime();
    private long lastDrawn;
    /** The first update: rates count from it, so that neither preparation nor what an earlier run did is part of them. */
    private long firstNanos = -1;
    private long firstDone;
    private long firstTokens;
    private boolean drawn;

    ProgressBar(String label, PrintWriter err) {
        this.label = label;
        this.err = err;
        this.terminal = System.console() != null && System.console().isTerminal();
    }

    @Override
    public void update(long done, long total, long tokens) {
        update(done, total, tokens, "");
    }

    @Override
    public void update(long done, long total, long tokens, String detail) {
        long now = System.nanoTime();
        if (firstNanos < 0) {
            firstNanos = now - start;
            firstDone = done;
            firstTokens = tokens;
        }
        long interval = terminal ? TERMINAL_NANOS : FILE_NANOS;
        if (now - start < QUIET_NANOS || (drawn && now - lastDrawn < interval && !(terminal && done >= total))) {
            return;
        }
        lastDrawn = now;
        drawn = true;
        String line = line(label, done, total, done - firstDone, tokens - firstTokens, (now - start - firstNanos) * 1e-9)
            + (detail.isEmpty() ? "" : "  " + detail);
        err.print(terminal ? "\r" + line + "\u001b[K" : line + "\n");
        err.flush();
    }

    /**
     * @param recent items done in {@code seconds}
     * @param tokens likewise
     */
    static String line(String label, long done, long total, long recent, long tokens, double seconds) {
        double share = total == 0 ? 1 : Math.min(1, (double) done / total);
        int filled = (int) Math.round(share * WIDTH);
        String bar = "#".repeat(filled) + ".".repeat(WIDTH - filled);
        String place = String.format(Locale.ROOT, "%-18s [%s] %3.0f%%  %d/%d", label, bar, 100 * share, done, total);
        String speed = tokens == 0 ? "" : String.format(Locale.ROOT, "  %,.0f tokens/s", tokens / Math.max(seconds, 1e-9));
        return recent == 0 ? place : place + speed + "  ETA " + duration(seconds * (total - done) / recent);
    }

    static String duration(double seconds) {
        long s = Math.round(seconds);
        return s < 60 ? s + " s" : s < 3600 ? String.format(Locale.ROOT, "%d:%02d min", s / 60, s % 60)
            : String.format(Locale.ROOT, "%d:%02d h", s / 3600, s / 60 % 60);
    }

    @Override
    public void close() {
        if (drawn && terminal) {
            err.println();
            err.flush();
        }
    }
}
