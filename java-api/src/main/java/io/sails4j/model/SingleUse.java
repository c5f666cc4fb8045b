package io.sails4j.model;

import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/** Lets one thread at a time use what two would spoil. A second one is an error, not a wait: it would wait for a whole generation. */
final class SingleUse {
    private final Owned lock = new Owned();
    private final String what;

    /** @param what for messages: the session */
    SingleUse(String what) {
        this.what = what;
    }

    /** A lock that tells whose it is. */
    private static final class Owned extends ReentrantLock {
        private static final long serialVersionUID = 1;

        @Nullable
        Thread owner() {
            return getOwner();
        }
    }

    /** A use, until it is closed. */
    interface Use extends AutoCloseable {
        @Override
        void close();
    }

    /** @throws IllegalStateException where another thread uses it */
    Use enter() {
        if (!lock.tryLock()) {
            Thread owner = lock.owner();
            throw new IllegalStateException(what + " is in use by thread "
                + (owner == null ? "another" : "'" + owner.getName() + "' (" + owner.threadId() + ")")
                + "; a session is one thread's at a time: open one for each thread");
        }
        return lock::unlock;
    }

    /**
     * Waits until no other thread uses it.
     *
     * @throws IllegalStateException where this thread does: a listener cannot end what calls it
     */
    Use enterLast() {
        if (lock.isHeldByCurrentThread()) {
            throw new IllegalStateException(what + " cannot be closed by what it calls");
        }
        lock.lock();
        return lock::unlock;
    }
}
