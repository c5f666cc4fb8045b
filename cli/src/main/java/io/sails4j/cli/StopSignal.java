package io.sails4j.cli;

import java.util.concurrent.CountDownLatch;
import java.util.function.Consumer;

/**
 * SIGINT and SIGTERM as a wish to stop: the JVM ends only after this is closed, so that what must be written is. A second signal changes
 * nothing; SIGKILL loses what has happened since the last checkpoint.
 */
final class StopSignal implements AutoCloseable {
    private final CountDownLatch ended = new CountDownLatch(1);
    private final Thread hook;
    private volatile boolean asked;

    StopSignal(Consumer<String> message) {
        this(message, "stopping: what is done is written first");
    }

    /** @param sentence that says what happens before the end */
    StopSignal(Consumer<String> message, String sentence) {
        hook = new Thread(() -> {
            asked = true;
            if (ended.getCount() > 0) {
                message.accept(sentence);
            }
            try {
                ended.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }, "stop-signal");
        Runtime.getRuntime().addShutdownHook(hook);
    }

    boolean asked() {
        return asked;
    }

    @Override
    public void close() {
        ended.countDown();
        if (!asked) {
            try {
                Runtime.getRuntime().removeShutdownHook(hook);
            } catch (IllegalStateException e) {
                // The JVM is ending at this very moment; the hook finds that there is nothing to wait for.
                asked = true;
            }
        }
    }
}
