package io.sails4j.data;

import io.sails4j.InputException;
import java.time.Duration;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/**
 * Interrupts the thread that made it where a step waits longer than a limit while nothing is read. The Parquet library's threads may end
 * over a damaged page without a word, and whoever waits for their rows would wait for ever.
 */
final class StallGuard implements AutoCloseable {
    private static final long CHECK_MILLIS = 100;

    private final Thread guarded = Thread.currentThread();
    private final long limitNanos;
    private final BooleanSupplier reading;
    private final Thread watcher;
    private long since;
    private boolean waiting;
    private boolean fired;

    /** @param reading whether a read from the file is under way, which may take as long as it takes */
    StallGuard(Duration limit, BooleanSupplier reading) {
        this.limitNanos = limit.toNanos();
        this.reading = reading;
        this.watcher = Thread.ofPlatform().daemon().name("sails-parquet-guard").start(this::watch);
    }

    private void watch() {
        try {
            while (true) {
                Thread.sleep(CHECK_MILLIS);
                check();
            }
        } catch (InterruptedException _) {
            // Closed.
        }
    }

    private synchronized void check() {
        if (reading.getAsBoolean()) {
            since = System.nanoTime();
        } else if (waiting && System.nanoTime() - since > limitNanos) {
            // Again and again: closing waits for one thread after another.
            fired = true;
            since = System.nanoTime();
            guarded.interrupt();
        }
    }

    private synchronized void begin() {
        waiting = true;
        fired = false;
        since = System.nanoTime();
    }

    /** Nothing of an interrupt is left for others. */
    private synchronized void end() {
        waiting = false;
        if (fired) {
            Thread.interrupted();
        }
    }

    /** A step; where it waited for too long, an exception that says so: the library takes an interrupt for the end of the rows. */
    <T> T step(Supplier<T> step) {
        begin();
        T value;
        try {
            value = step.get();
        } catch (InputException e) {
            throw e;
        } catch (RuntimeException e) {
            throw hasFired() ? stalled() : e;
        } finally {
            end();
        }
        if (hasFired()) {
            throw stalled();
        }
        return value;
    }

    private RuntimeException stalled() {
        return new IllegalStateException("its pages cannot be decoded: nothing came for " + limitNanos / 1_000_000 + " ms");
    }

    private synchronized boolean hasFired() {
        return fired;
    }

    @Override
    public void close() {
        watcher.interrupt();
    }
}
