package io.sails4j.serving;

import io.sails4j.InputException;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.BatchDecoder;
import io.sails4j.model.BatchOptions;
import io.sails4j.model.CacheUse;
import io.sails4j.model.CausalModel;
import io.sails4j.model.DecodeRequest;
import io.sails4j.model.ModelSession;
import io.sails4j.monitor.Monitor;
import io.sails4j.monitor.MonitoredSequence;
import io.sails4j.ops.Graphs;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Answers the requests of any number of threads by one model. Requests join and leave between steps; a long prompt is read in chunks, one
 * between two steps of the others, and those who wait to be read take turns. What a request gets does not depend on its company
 * ({@link BatchDecoder}).
 *
 * <p>Requests are taken in the order in which they come, each once there is memory for all tokens that it may come to have; so none that
 * was taken ever waits for memory of another. Where {@link SchedulerOptions#queue} of them wait, the next one is refused at
 * once. What breaks while a request is read ends that request; what breaks in a step of many ends those, and the scheduler goes on.
 */
public final class Scheduler implements AutoCloseable {
    private final CausalModel model;
    private final SchedulerOptions options;
    private final @Nullable Monitor monitor;
    private final Map<String, AdapterStack> names;
    private final BatchOptions batch;
    private final Thread thread;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final Deque<Completion> waiting = new ArrayDeque<>();
    private final Map<Finish, Long> ended = new EnumMap<>(Finish.class);
    private int running;
    private long refused;
    private long promptTokens;
    private long sharedTokens;
    private long generatedTokens;
    private CacheUse cache;
    private boolean draining;
    private boolean closing;

    private Scheduler(CausalModel model, SchedulerOptions options, @Nullable Monitor monitor, Map<String, AdapterStack> names,
        ModelSession session) {
        this.model = model;
        this.options = options;
        this.monitor = monitor;
        this.names = Map.copyOf(names);
        this.batch = options.batch(model);
        BatchDecoder decoder = decoder(session);
        this.cache = decoder.cacheUse();
        this.thread = Thread.ofPlatform().name("sails-scheduler").daemon().unstarted(() -> run(session, decoder));
    }

    /**
     * A scheduler with a thread of its own. The model stays the caller's to close; it lives at least as long as the scheduler.
     *
     * @throws InputException where the room is more than the model's positions, or the memory for keys and values too small for anything
     */
    public static Scheduler open(CausalModel model, SchedulerOptions options) {
        return open(model, options, null, Map.of());
    }

    /**
     * A scheduler that watches every request by a monitor's rules. The monitor stays the caller's to close, after the scheduler.
     *
     * @param monitor of this model, null for none
     * @param names adapters that its rules may switch to
     * @throws InputException where the room is more than the model's positions, or a rule switches to what has no name here
     */
    public static Scheduler open(CausalModel model, SchedulerOptions options, @Nullable Monitor monitor, Map<String, AdapterStack> names) {
        for (String name : monitor == null ? List.<String>of() : monitor.switches()) {
            if (!names.containsKey(name)) {
                throw new InputException("the monitor switches to '" + name + "', which is none of the adapters here: "
                    + (names.isEmpty() ? "there are none" : String.join(", ", names.keySet().stream().sorted().toList())));
            }
        }
        ModelSession session = ModelSession.open(model);
        try {
            Scheduler scheduler = new Scheduler(model, options, monitor, names, session);
            scheduler.thread.start();
            return scheduler;
        } catch (RuntimeException | Error e) {
            session.close();
            throw e;
        }
    }

    private BatchDecoder decoder(ModelSession session) {
        return new BatchDecoder(session, batch, Math.min(options.prefillChunk(), batch.capacity()), null, monitor, Graphs.AUTO);
    }

    /** Whether a monitor watches every request. */
    boolean monitored() {
        return monitor != null;
    }

    /** Tokens that a request has room for, prompt and answer together: as the options say, or as the memory for them allows. */
    public int room() {
        return batch.mostTokens();
    }

    /**
     * Takes a request; does not wait for anything.
     *
     * @throws InputException where the prompt is empty, has ids that the model has not got, or does not fit with its answer
     * @throws BusyException where too many wait, or the scheduler takes no more
     */
    public Completion submit(CompletionRequest request) {
        requireFits(request);
        if (monitor == null && request.watch().watcher() != null) {
            throw new InputException(
                "a request has a watcher, and the scheduler has no monitor that reads features for it; open it with one");
        }
        int answerFrom = request.watch().answerFrom() < 0 ? request.prompt().length : request.watch().answerFrom();
        Completion completion = new Completion(request, monitor == null ? null : monitor.begin(answerFrom, request.watch().watcher()),
            this::wake);
        lock.lock();
        try {
            if (draining || closing) {
                throw new BusyException(true, "the service is ending and takes no more requests");
            }
            if (running + waiting.size() >= (long) options.sequences() + options.queue()) {
                refused++;
                throw new BusyException(false, waiting.size() + " requests wait already, as many as may; try again later");
            }
            waiting.addLast(completion);
            changed.signalAll();
        } finally {
            lock.unlock();
        }
        return completion;
    }

    private void requireFits(CompletionRequest request) {
        batch.requireFits(request.prompt(), request.options());
        for (int id : request.prompt()) {
            if (id < 0 || id >= model.config().vocabSize()) {
                throw new InputException(
                    "the prompt has the token id " + id + ", expected ids from 0 to " + (model.config().vocabSize() - 1));
            }
        }
    }

    private void wake() {
        lock.lock();
        try {
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** What was done, and what is under way. */
    public SchedulerState state() {
        lock.lock();
        try {
            return new SchedulerState(waiting.size(), running, refused, ended, promptTokens, sharedTokens, generatedTokens, cache);
        } finally {
            lock.unlock();
        }
    }

    /**
     * Takes no more requests and waits for those that it has.
     *
     * @return whether all have ended within the time
     * @throws InterruptedException where the thread is interrupted while it waits
     */
    public boolean drain(Duration atMost) throws InterruptedException {
        lock.lockInterruptibly();
        try {
            draining = true;
            long left = atMost.toNanos();
            while (running + waiting.size() > 0 && left > 0) {
                left = changed.awaitNanos(left);
            }
            return running + waiting.size() == 0;
        } finally {
            lock.unlock();
        }
    }

    /** Ends everything under way as {@link Finish#CLOSED}, and waits for that. A second call does nothing. */
    @Override
    public void close() {
        lock.lock();
        try {
            closing = true;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                // The model must not be freed under the thread: wait, and tell the caller afterwards.
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void run(ModelSession session, BatchDecoder begun) {
        List<Completion> taken = new ArrayList<>();
        Ending how = Ending.of(Finish.CLOSED);
        BatchDecoder decoder = begun;
        try {
            int turn = 0;
            while (await(taken)) {
                endOver(decoder, taken);
                admit(decoder, taken);
                turn = readOne(decoder, taken, turn);
                if (!step(decoder, taken)) {
                    decoder.close();
                    decoder = decoder(session);
                }
                uses(decoder.cacheUse());
            }
        } catch (RuntimeException | Error e) {
            how = new Ending(Finish.FAILED, e);
        } finally {
            decoder.close();
            session.close();
            endAll(taken, how);
        }
    }

    private void uses(CacheUse now) {
        lock.lock();
        try {
            cache = now;
        } finally {
            lock.unlock();
        }
    }

    /** Waits until there is something to do; whether there is, and not the end. */
    private boolean await(List<Completion> taken) {
        lock.lock();
        try {
            while (taken.isEmpty() && waiting.isEmpty() && !closing) {
                changed.awaitUninterruptibly();
            }
            return !closing;
        } finally {
            lock.unlock();
        }
    }

    /** Ends those that were cancelled or whose time is over, waiting or not. */
    private void endOver(BatchDecoder decoder, List<Completion> taken) {
        for (Completion completion : List.copyOf(taken)) {
            Finish over = completion.over();
            if (over != null) {
                decoder.leave(completion.sequence());
                ended(taken, completion, Ending.of(over));
            }
        }
        Map<Completion, Finish> gone = new LinkedHashMap<>();
        lock.lock();
        try {
            for (Completion completion : waiting) {
                Finish over = completion.over();
                if (over != null) {
                    gone.put(completion, over);
                }
            }
            waiting.removeAll(gone.keySet());
        } finally {
            lock.unlock();
        }
        gone.forEach((completion, over) -> ended(taken, completion, Ending.of(over)));
    }

    /** Takes those who wait while there is room, in their order: who needs much is not passed by. */
    private void admit(BatchDecoder decoder, List<Completion> taken) {
        for (Completion next = nextWaiting(decoder); next != null; next = nextWaiting(decoder)) {
            taken.add(next);
            try {
                next.starts(decoder.add(decoding(next)));
                begun(next);
                deliver(decoder, taken, next);
            } catch (RuntimeException | Error e) {
                ended(taken, next, new Ending(Finish.FAILED, e));
            }
        }
    }

    private static DecodeRequest decoding(Completion completion) {
        CompletionRequest request = completion.request();
        return new DecodeRequest(request.prompt(), request.adapters(), request.options(), 0, completion.monitored(),
            request.watch().topLogprobs());
    }

    private @Nullable Completion nextWaiting(BatchDecoder decoder) {
        lock.lock();
        try {
            Completion next = waiting.peekFirst();
            if (next == null || !decoder.hasRoom(decoding(next))) {
                return null;
            }
            running++;
            return waiting.pollFirst();
        } finally {
            lock.unlock();
        }
    }

    private void begun(Completion completion) {
        lock.lock();
        try {
            promptTokens += completion.request().prompt().length;
            sharedTokens += completion.sharedTokens();
        } finally {
            lock.unlock();
        }
    }

    /** Reads one chunk of one prompt; those who wait for theirs take turns. Returns whose turn is next. */
    private int readOne(BatchDecoder decoder, List<Completion> taken, int turn) {
        for (int i = 0; i < taken.size(); i++) {
            int at = (turn + i) % taken.size();
            Completion completion = taken.get(at);
            if (completion.sequence().awaitsPrompt()) {
                try {
                    decoder.read(completion.sequence());
                    deliver(decoder, taken, completion);
                } catch (RuntimeException | Error e) {
                    decoder.leave(completion.sequence());
                    ended(taken, completion, new Ending(Finish.FAILED, e));
                }
                return at + 1;
            }
        }
        return turn;
    }

    /** One more token of each that is read; false where the step broke, and all of them with it. */
    private boolean step(BatchDecoder decoder, List<Completion> taken) {
        try {
            decoder.step();
        } catch (RuntimeException | Error e) {
            List.copyOf(taken).forEach(completion -> ended(taken, completion, new Ending(Finish.FAILED, e)));
            return false;
        }
        List.copyOf(taken).forEach(completion -> deliver(decoder, taken, completion));
        return true;
    }

    private void deliver(BatchDecoder decoder, List<Completion> taken, Completion completion) {
        BatchDecoder.Sequence sequence = completion.sequence();
        MonitoredSequence monitored = completion.monitored();
        if (sequence.count() > 0) {
            completion.deliver();
        }
        if (sequence.ended()) {
            ended(taken, completion, endOf(sequence, monitored));
        } else if (monitored != null && monitored.switchTo() != null) {
            decoder.continueBy(sequence, Objects.requireNonNull(names.get(monitored.switchTo())));
        }
    }

    private static Ending endOf(BatchDecoder.Sequence sequence, @Nullable MonitoredSequence monitored) {
        if (monitored != null && monitored.failure() != null) {
            return new Ending(Finish.FAILED, monitored.failure());
        }
        if (monitored != null && monitored.stopped() != null) {
            return Ending.of(Finish.MONITOR);
        }
        return Ending.of(sequence.stopped() ? Finish.STOP : Finish.LENGTH);
    }

    private void ended(List<Completion> taken, Completion completion, Ending how) {
        boolean ran = taken.remove(completion);
        lock.lock();
        try {
            running -= ran ? 1 : 0;
            ended.merge(how.finish(), 1L, Long::sum);
            generatedTokens += completion.count();
            changed.signalAll();
        } finally {
            lock.unlock();
        }
        completion.end(how);
    }

    private void endAll(List<Completion> taken, Ending how) {
        List<Completion> rest = new ArrayList<>(taken);
        lock.lock();
        try {
            closing = true;
            rest.addAll(waiting);
            waiting.clear();
        } finally {
            lock.unlock();
        }
        rest.forEach(completion -> ended(taken, completion, how));
    }
}
