package io.sails4j.serving;

import static org.assertj.core.api.Assertions.assertThat;

import io.sails4j.model.CausalModel;
import io.sails4j.model.GenerationOptions;
import io.sails4j.ops.Engine;
import io.sails4j.testing.Backends;
import io.sails4j.testing.TinyModel;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What many requests leave behind, and what they do to the threads that ask. */
@Timeout(120)
class SchedulerLoadTest {
    private static final SchedulerOptions OPTIONS = new SchedulerOptions(4, 64, 3, 8, 1000);
    private static final int WARM = 200;
    private static final int DROPPED = 100_000;
    private static final String PINNED = "jdk.VirtualThreadPinned";

    private static CompletionRequest request(int first, int tokens) {
        return CompletionRequest.of(new int[] {1 + first % 50, 2}, GenerationOptions.greedy(tokens, Set.of()));
    }

    private static long usedHeap() {
        System.gc();
        return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
    }

    private static void awaitAll(List<Completion> completions) throws InterruptedException {
        for (Completion completion : completions) {
            completion.await();
        }
    }

    @Test
    void requestsThatAreDroppedLeaveNothingBehind() throws Exception {
        int threads = ManagementFactory.getThreadMXBean().getThreadCount();
        try (Engine engine = Backends.open("cpu", 1); CausalModel model = TinyModel.open(engine)) {
            // What the engine keeps for itself.
            try (Scheduler first = Scheduler.open(model, OPTIONS)) {
                first.submit(request(0, 20)).await();
            }
            long before = engine.device().allocatedBytes();
            try (Scheduler scheduler = Scheduler.open(model, OPTIONS)) {
                // As much memory as they ever need.
                awaitAll(IntStream.range(0, WARM).mapToObj(i -> scheduler.submit(request(i, 20))).toList());
                long device = engine.device().allocatedBytes();
                long heap = usedHeap();
                List<Completion> latest = new ArrayList<>();
                for (int i = 0; i < DROPPED; i++) {
                    Completion completion = scheduler.submit(request(i, 50));
                    completion.cancel();
                    latest.add(completion);
                    if (latest.size() == 500) {
                        awaitAll(latest);
                        latest.clear();
                    }
                }
                awaitAll(latest);
                latest.clear();
                SchedulerState state = scheduler.state();
                assertThat(state.waiting() + state.running()).isZero();
                // A thread that has to wait for a processor between the two calls finds its request ended.
                long cancelled = state.ended().get(Finish.CANCELLED);
                assertThat(cancelled + state.ended().get(Finish.LENGTH)).isEqualTo(WARM + DROPPED);
                assertThat(cancelled).isGreaterThan(DROPPED / 2);
                assertThat(engine.device().allocatedBytes()).isEqualTo(device);
                assertThat(usedHeap() - heap).as("bytes of the heap that 100 000 requests keep").isLessThan(8 << 20);
                assertThat(scheduler.submit(request(1, 5)).await().finish()).isEqualTo(Finish.LENGTH);
            }
            assertThat(engine.device().allocatedBytes()).isEqualTo(before);
        }
        assertThat(Thread.getAllStackTraces().keySet()).noneMatch(thread -> thread.getName().equals("sails-scheduler"));
        assertThat(ManagementFactory.getThreadMXBean().getThreadCount()).isLessThanOrEqualTo(threads + 2);
    }

    /** Its initialisation waits below a native frame: whoever starts it holds its carrier. */
    private static final class Pins {
        static {
            LockSupport.parkNanos(50_000_000);
        }
    }

    private static List<RecordedEvent> pinned(Path file, Recording recording) throws IOException {
        recording.dump(file);
        return RecordingFile.readAllEvents(file).stream().filter(event -> event.getEventType().getName().equals(PINNED)).toList();
    }

    @Test
    void virtualThreadsAreNotPinned(@TempDir Path directory) throws Exception {
        try (Engine engine = Backends.open("cpu", 1); CausalModel model = TinyModel.open(engine);
             Scheduler scheduler = Scheduler.open(model, OPTIONS);
             ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor(); Recording recording = new Recording()) {
            // The JDK's own threshold for this event.
            recording.enable(PINNED).withThreshold(Duration.ofMillis(20)).withStackTrace();
            recording.start();
            List<Future<Integer>> counts = IntStream.range(0, 200).mapToObj(i -> threads.submit(() -> {
                Completion completion = scheduler.submit(request(i, 10));
                int count = 0;
                while (completion.next() >= 0) {
                    count++;
                }
                return count;
            })).toList();
            for (Future<Integer> count : counts) {
                assertThat(count.get()).isEqualTo(10);
            }
            assertThat(pinned(directory.resolve("requests.jfr"), recording)).isEmpty();
            threads.submit(() -> new Pins()).get();
            recording.stop();
            assertThat(pinned(directory.resolve("control.jfr"), recording)).as("a thread that is pinned is seen").isNotEmpty();
        }
    }

    @Test
    void anEngineThatIsClosedTooEarlyFailsRequestsAndEndsThem() throws Exception {
        Engine engine = Backends.open("cpu", 1);
        CausalModel model = TinyModel.open(engine);
        try (Scheduler scheduler = Scheduler.open(model, OPTIONS)) {
            engine.close();
            Ending ending = scheduler.submit(request(1, 5)).await();
            assertThat(ending.finish()).isEqualTo(Finish.FAILED);
            assertThat(ending.failure()).isInstanceOf(IllegalStateException.class);
        }
        model.close();
    }
}
