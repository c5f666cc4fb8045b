package io.sails4j.serving;

import io.sails4j.model.BatchDecoder;
import io.sails4j.model.TokenLogprobs;
import io.sails4j.monitor.MonitorEvent;
import io.sails4j.monitor.MonitoredSequence;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * The answer to a request, as it comes. Any thread may read it, at its own speed: tokens wait for their reader, and nobody waits for a slow
 * one. Whatever happens, it ends, once.
 */
public final class Completion {
    private final CompletionRequest request;
    private final long begun = System.nanoTime();
    private final Runnable wake;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final int[] tokens;
    private final List<TokenLogprobs> logprobs = new ArrayList<>();
    private int count;
    private int given;
    private int shared;
    private long firstAt;
    private long endedAt;
    private @Nullable Ending ending;
    private volatile boolean cancelled;
    private final @Nullable MonitoredSequence monitored;
    /** The scheduler's thread alone looks at it. */
    private BatchDecoder.@Nullable Sequence sequence;

    /**
     * A completion that waits.
     *
     * @param monitored who watches it, null for nobody
     * @param wake tells the scheduler that something is to be looked at
     */
    Completion(CompletionRequest request, @Nullable MonitoredSequence monitored, Runnable wake) {
        this.request = request;
        this.monitored = monitored;
        this.wake = wake;
        this.tokens = new int[request.options().maxNewTokens()];
    }

    /** What was asked for. */
    public CompletionRequest request() {
        return request;
    }

    /**
     * The next token's id; waits for it.
     *
     * @return -1 where nothing more comes
     * @throws InterruptedException where the thread is interrupted while it waits; the completion goes on
     */
    public int next() throws InterruptedException {
        lock.lockInterruptibly();
        try {
            while (given == count && ending == null) {
                changed.await();
            }
            return given < count ? tokens[given++] : -1;
        } finally {
            lock.unlock();
        }
    }

    /**
     * How it ended; waits for that.
     *
     * @throws InterruptedException where the thread is interrupted while it waits; the completion goes on
     */
    public Ending await() throws InterruptedException {
        lock.lockInterruptibly();
        try {
            while (ending == null) {
                changed.await();
            }
            return ending;
        } finally {
            lock.unlock();
        }
    }

    /** All tokens until now, with the stop token where one ended it. */
    public int[] tokens() {
        lock.lock();
        try {
            return Arrays.copyOf(tokens, count);
        } finally {
            lock.unlock();
        }
    }

    /** Those of all tokens until now; empty where they were not asked for. */
    public List<TokenLogprobs> logprobs() {
        return logprobs(0);
    }

    /** Those from a token on. */
    List<TokenLogprobs> logprobs(int from) {
        lock.lock();
        try {
            return List.copyOf(logprobs.subList(Math.min(from, logprobs.size()), logprobs.size()));
        } finally {
            lock.unlock();
        }
    }

    /** What the scheduler's monitor has seen until now; empty where there is no monitor. */
    public List<MonitorEvent> events() {
        return monitored == null ? List.of() : monitored.events();
    }

    /** Who watches it, null for nobody. */
    @Nullable
    MonitoredSequence monitored() {
        return monitored;
    }

    /** How many tokens there are until now. */
    int count() {
        lock.lock();
        try {
            return count;
        } finally {
            lock.unlock();
        }
    }

    /** Ends it within a token, unless it has ended. Any thread may call it, and often. */
    public void cancel() {
        cancelled = true;
        wake.run();
    }

    /** Tokens of the prompt whose keys and values were there already; 0 until its reading has begun. */
    public int sharedTokens() {
        lock.lock();
        try {
            return shared;
        } finally {
            lock.unlock();
        }
    }

    /** From the request to the first token; null where there is none. */
    public @Nullable Duration timeToFirstToken() {
        lock.lock();
        try {
            return count == 0 ? null : Duration.ofNanos(firstAt - begun);
        } finally {
            lock.unlock();
        }
    }

    /** From the request to its end; null where it has not ended. */
    public @Nullable Duration timeToEnd() {
        lock.lock();
        try {
            return ending == null ? null : Duration.ofNanos(endedAt - begun);
        } finally {
            lock.unlock();
        }
    }

    /** What ends it before its time, null for nothing. */
    @Nullable
    Finish over() {
        if (cancelled) {
            return Finish.CANCELLED;
        }
        Duration limit = request.timeLimit();
        return limit != null && System.nanoTime() - begun >= limit.toNanos() ? Finish.TIME_LIMIT : null;
    }

    void starts(BatchDecoder.Sequence started) {
        sequence = started;
        lock.lock();
        try {
            shared = started.sharedTokens();
        } finally {
            lock.unlock();
        }
    }

    BatchDecoder.Sequence sequence() {
        return Objects.requireNonNull(sequence);
    }

    /** Takes over what the sequence has got. */
    void deliver() {
        lock.lock();
        try {
            if (count == 0 && sequence().count() > 0) {
                firstAt = System.nanoTime();
            }
            while (count < sequence().count()) {
                tokens[count] = sequence().token(count);
                if (request.watch().topLogprobs() >= 0) {
                    logprobs.add(sequence().logprobs(count));
                }
                count++;
            }
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    void end(Ending how) {
        lock.lock();
        try {
            if (ending == null) {
                ending = how;
                endedAt = System.nanoTime();
                changed.signalAll();
            }
        } finally {
            lock.unlock();
        }
    }
}
