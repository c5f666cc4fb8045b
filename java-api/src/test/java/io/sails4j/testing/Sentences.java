package io.sails4j.testing;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;

/** What the library tells while it is open. */
public final class Sentences implements AutoCloseable {
    private final Logger logger = Logger.getLogger("io.sails4j");
    private final List<String> told = new CopyOnWriteArrayList<>();
    private final Handler handler = new Handler() {
        @Override
        public void publish(LogRecord record) {
            told.add(record.getMessage());
        }

        @Override
        public void flush() {
            // There is nothing between.
        }

        @Override
        public void close() {
            // There is nothing to close.
        }
    };

    public Sentences() {
        logger.addHandler(handler);
    }

    /** In their order. */
    public List<String> told() {
        return told;
    }

    @Override
    public void close() {
        logger.removeHandler(handler);
    }
}
