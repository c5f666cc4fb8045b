package io.sails4j.study;

import io.sails4j.data.Progress;
import io.sails4j.train.StoppedException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/** Tasks that do not know one another, done by some runners, each on a thread of its own; the first fault ends all of it. */
final class TaskQueue {
    private final Deque<StudyTask> waiting;
    private final BooleanSupplier stop;
    private final Path out;
    private int done;
    private boolean failed;

    TaskQueue(List<StudyTask> tasks, BooleanSupplier stop, Path out) {
        this.waiting = new ArrayDeque<>(tasks);
        this.stop = stop;
        this.out = out;
    }

    /** Hears of every task that is done; never two calls at a time. */
    @FunctionalInterface
    interface Listener {
        void done(int tasks, String id);
    }

    /** @throws StoppedException where it was asked for; what a runner had begun is kept as far as it is */
    void run(List<TaskRunner> runners, Listener listener) {
        try (ExecutorService threads = Executors.newFixedThreadPool(runners.size())) {
            List<Future<?>> all = new ArrayList<>();
            runners.forEach(runner -> all.add(threads.submit(() -> work(runner, listener))));
            RuntimeException first = null;
            for (Future<?> one : all) {
                first = worse(first, fault(one));
            }
            if (first != null) {
                throw first;
            }
        }
        if (stop.getAsBoolean() && !waiting.isEmpty()) {
            throw new StoppedException("stopped before " + waiting.getFirst().id() + "; " + out + " has all that was done");
        }
    }

    private void work(TaskRunner runner, Listener listener) {
        for (StudyTask task = next(); task != null; task = next()) {
            try {
                runner.run(task, Progress.none());
            } catch (RuntimeException | Error e) {
                fail();
                throw e;
            }
            tell(listener, task);
        }
    }

    private synchronized @Nullable StudyTask next() {
        return failed || stop.getAsBoolean() ? null : waiting.poll();
    }

    private synchronized void fail() {
        failed = true;
    }

    private synchronized void tell(Listener listener, StudyTask task) {
        done++;
        listener.done(done, task.id());
    }

    private static @Nullable RuntimeException fault(Future<?> task) {
        try {
            task.get();
            return null;
        } catch (ExecutionException e) {
            return switch (e.getCause()) {
                case RuntimeException fault -> fault;
                case Error error -> throw error;
                case null, default -> new IllegalStateException(e);
            };
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return new StoppedException("interrupted");
        }
    }

    /** What went wrong comes before what was stopped for it. */
    private static @Nullable RuntimeException worse(@Nullable RuntimeException first, @Nullable RuntimeException second) {
        return first == null || first instanceof StoppedException && second != null ? second : first;
    }
}
