package io.sails4j.cli;

import io.sails4j.bench.BenchListener;
import io.sails4j.bench.BenchResult;
import io.sails4j.files.AtomicFiles;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A run under way: each row is said when it comes, a line below says on a terminal what is measured and how much is left, and a signal
 * prints what there is and lets the JVM end at once, in the middle of a row.
 */
final class BenchRun implements BenchListener, AutoCloseable {
    private static final String ERASE_LINE = "\r\u001b[K";

    private final BenchReport report;
    private final Progress progress;
    private final @Nullable Path out;
    private final Consumer<BenchReport> print;
    private final Thread hook;
    private final int rounds;
    private int round;
    private int inRound;
    private int rows;
    private boolean ended;
    private boolean interrupted;

    /** Where the words go. */
    interface Progress {
        /** A line that stays. */
        void say(String line);

        /** A line that the next one replaces, on a terminal alone. */
        void replace(String line);
    }

    /**
     * @param rounds that all rows are measured in
     * @param out a Markdown file that is written after each row, or null
     * @param print prints the report where a signal ends the run
     */
    BenchRun(BenchReport report, Progress progress, int rounds, @Nullable Path out, Consumer<BenchReport> print) {
        this.report = report;
        this.progress = progress;
        this.rounds = rounds;
        this.out = out;
        this.print = print;
        hook = new Thread(this::interrupt, "stop-signal");
        Runtime.getRuntime().addShutdownHook(hook);
    }

    /** What a signal does. */
    synchronized void interrupt() {
        if (!ended) {
            ended = true;
            interrupted = true;
            progress.say(report.endedEarly(rows * rounds));
            write();
            print.accept(report);
        }
    }

    @Override
    public synchronized void measuring(String what, int before, int all) {
        if (before == 0) {
            round++;
            inRound = 0;
        }
        rows = all;
        if (!ended) {
            progress.replace("[" + place(before) + ", " + ((long) all * (rounds - round + 1) - before) + " left] measuring " + what);
        }
    }

    @Override
    public synchronized void measured(BenchResult line) {
        if (!ended) {
            say(report.add(line));
        }
    }

    @Override
    public synchronized void tooLarge(String sentence) {
        if (!ended) {
            say(report.addTooLarge(sentence));
        }
    }

    private String place(int at) {
        return at + "/" + rows + (rounds == 1 ? "" : " of round " + round + "/" + rounds);
    }

    private void say(String line) {
        inRound++;
        progress.say("[" + place(inRound) + "] " + line);
        write();
    }

    /** After every line: a run that is killed leaves what it has measured. */
    private void write() {
        if (out != null) {
            AtomicFiles.writeString(out, report.markdown());
        }
    }

    /** Whether a signal has ended the run and printed what there is. */
    synchronized boolean interrupted() {
        return interrupted;
    }

    /** Ends the run: from here on a signal prints nothing. */
    @Override
    public synchronized void close() {
        ended = true;
        progress.replace("");
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            // The JVM is ending at this very moment; the hook finds that there is nothing to print.
            ended = true;
        }
    }

    /** Progress on standard error. */
    static Progress progress(CommonOptions common) {
        boolean terminal = System.console() != null && System.console().isTerminal();
        return new Progress() {
            @Override
            public void say(String line) {
                common.message((terminal ? ERASE_LINE : "") + line);
            }

            @Override
            public void replace(String line) {
                if (terminal) {
                    common.messagePart(ERASE_LINE + line);
                }
            }
        };
    }
}
