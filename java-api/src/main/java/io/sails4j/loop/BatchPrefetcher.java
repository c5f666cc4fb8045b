package io.sails4j.loop;

import io.sails4j.objective.SequenceBatch;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Lays out the next micro-batch on a thread of its own while the device works on this one. */
final class BatchPrefetcher implements AutoCloseable {
    private final Function<int[], SequenceBatch> layOut;
    private final ExecutorService thread = Executors.newSingleThreadExecutor(Thread.ofPlatform().daemon().name("sails-batches").factory());
    private int @Nullable [] ahead;
    private @Nullable CompletableFuture<SequenceBatch> next;

    BatchPrefetcher(Function<int[], SequenceBatch> layOut) {
        this.layOut = layOut;
    }

    /** The batch of {@code examples}; {@code following} are those that will be asked for next, null if none. */
    SequenceBatch take(int[] examples, int @Nullable [] following) {
        SequenceBatch batch = next != null && ahead == examples ? finished(next) : layOut.apply(examples);
        ahead = following;
        next = following == null ? null : CompletableFuture.supplyAsync(() -> layOut.apply(following), thread);
        return batch;
    }

    private static SequenceBatch finished(CompletableFuture<SequenceBatch> future) {
        try {
            return future.join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof RuntimeException cause ? cause : e;
        }
    }

    @Override
    public void close() {
        thread.shutdownNow();
    }
}
