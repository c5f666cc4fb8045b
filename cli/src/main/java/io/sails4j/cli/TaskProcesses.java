package io.sails4j.cli;

import io.sails4j.data.Progress;
import io.sails4j.train.StoppedException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.function.BooleanSupplier;

/** Runs this very command again for each of some tasks, a few at a time. */
final class TaskProcesses {
    private static final long LOOK_EVERY_MILLIS = 50;

    private final int jobs;
    private final int threads;

    /** @param threads of each; 0 = the processors shared out evenly */
    TaskProcesses(int jobs, int threads) {
        this.jobs = jobs;
        this.threads = threads;
    }

    /** A task under way. */
    private record Running(String task, Process process) {
    }

    /**
     * Runs all of them; where one fails the others under way are ended.
     *
     * @throws StoppedException where {@code stop} asked for it; each task keeps what it has done
     */
    void run(List<String> tasks, Progress progress, BooleanSupplier stop) {
        Deque<String> waiting = new ArrayDeque<>(tasks);
        List<Running> running = new ArrayList<>();
        int done = 0;
        try {
            while (!waiting.isEmpty() || !running.isEmpty()) {
                while (running.size() < jobs && !waiting.isEmpty()) {
                    String task = waiting.removeFirst();
                    running.add(new Running(task, start(task)));
                }
                Thread.sleep(LOOK_EVERY_MILLIS);
                for (Running one : List.copyOf(running)) {
                    if (!one.process.isAlive()) {
                        running.remove(one);
                        require(one, stop);
                        progress.update(++done, tasks.size(), 0, one.task);
                    }
                }
                if (stop.getAsBoolean()) {
                    throw new StoppedException("stopped after " + done + " of " + tasks.size() + " tasks; go on with --resume");
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new StoppedException("interrupted after " + done + " of " + tasks.size() + " tasks; go on with --resume");
        } finally {
            end(running);
        }
    }

    private static void require(Running one, BooleanSupplier stop) {
        if (one.process.exitValue() != 0 && !stop.getAsBoolean()) {
            throw new IllegalStateException("the task " + one.task + " failed with exit code " + one.process.exitValue()
                + "; what it said stands above");
        }
    }

    private static void end(List<Running> running) {
        running.forEach(one -> one.process.destroy());
        running.forEach(one -> one.process.onExit().join());
    }

    private Process start(String task) {
        ProcessHandle.Info me = ProcessHandle.current().info();
        List<String> command = new ArrayList<>(List.of(me.command().orElseThrow()));
        command.addAll(List.of(me.arguments().orElseThrow()));
        command.addAll(List.of("--task", task));
        if (threads == 0) {
            command.addAll(List.of("--threads", String.valueOf(Math.max(1, Runtime.getRuntime().availableProcessors() / jobs))));
        }
        try {
            return new ProcessBuilder(command).redirectOutput(ProcessBuilder.Redirect.INHERIT)
                .redirectError(ProcessBuilder.Redirect.INHERIT).start();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
