package io.sails4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sails4j.data.Message;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelOptions;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.serving.SchedulerOptions;
import io.sails4j.serving.TextRequest;
import io.sails4j.serving.TextService;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Many threads at one service, for minutes: only with {@code -Dsails.slow=true}. What it prints stands in docs/serving.md. */
class TextServiceLoadTest {
    private static final int THREADS = 64;
    private static final int REQUESTS = 1000;
    /** Until here caches, code and the heap may grow. */
    private static final int WARM = 100;
    private static final int KINDS = 40;
    private static final long MOST_GROWTH = 16 << 20;

    @TempDir
    private Path directory;

    /** Memory of the process in bytes. */
    private record Memory(long heap, long device, long resident) {
        static Memory of(Engine engine) throws IOException {
            System.gc();
            long pages = Long.parseLong(Files.readString(Path.of("/proc/self/statm")).split(" ")[1]);
            return new Memory(ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed(), engine.device().allocatedBytes(),
                pages * 4096);
        }
    }

    /** Greedy and sampled, of several lengths, with prompts that begin alike. */
    private static TextRequest request(int number) {
        int kind = Math.floorMod(number, KINDS);
        return TextRequest.chat(List.of(new Message("user", "may I do it " + "no ".repeat(kind % 7) + kind))).with(r -> {
            r.model = "small";
            r.sampling = kind % 2 == 0 ? TextRequest.Sampling.greedy() : new TextRequest.Sampling(1, 0, 1, kind);
            r.limits = new TextRequest.Limits(4 + kind % 13, List.of(), null);
        });
    }

    @Test
    void whatManyThreadsGetIsWhatOneGets() throws Exception {
        assumeTrue(Boolean.getBoolean("sails.slow"), "skipped: -Dsails.slow=true runs it");
        Path files = directory.resolve("model");
        SmallLlama.make(files, true, 0);
        try (Engine engine = Engine.open(new EngineOptions("cpu", 1, ""));
             CausalModel model = CausalModel.load(files, engine, ModelOptions.defaults());
             TextService service = TextService.open(model, files, new LinkedHashMap<>(Map.of("small", AdapterStack.none())), "llama3",
                 SchedulerOptions.defaults());
             ExecutorService threads = Executors.newFixedThreadPool(THREADS)) {
            List<String> alone = new ArrayList<>();
            for (int kind = 0; kind < KINDS; kind++) {
                alone.add(service.submit(request(kind)).text());
            }
            long start = System.nanoTime();
            for (int i = 0; i < REQUESTS; i++) {
                assertThat(service.submit(request(i)).text()).isEqualTo(alone.get(i % KINDS));
            }
            double oneAtATime = REQUESTS / seconds(start);
            CountDownLatch warm = new CountDownLatch(THREADS);
            CountDownLatch measured = new CountDownLatch(1);
            List<Future<long[]>> all = new ArrayList<>();
            for (int thread = 0; thread < THREADS; thread++) {
                int first = thread * 17;
                all.add(threads.submit(() -> {
                    ask(service, alone, first, 0, WARM);
                    warm.countDown();
                    measured.await();
                    return ask(service, alone, first, WARM, REQUESTS);
                }));
            }
            warm.await();
            Memory before = Memory.of(engine);
            start = System.nanoTime();
            measured.countDown();
            List<long[]> times = new ArrayList<>();
            for (Future<long[]> one : all) {
                times.add(one.get());
            }
            double together = THREADS * (REQUESTS - WARM) / seconds(start);
            Memory after = Memory.of(engine);
            long[] sorted = times.stream().flatMapToLong(Arrays::stream).sorted().toArray();
            System.out.printf(Locale.ROOT, "%d threads x %d requests: texts as alone; %.0f requests/s, one at a time %.0f; p50 %.1f ms,"
                + " p99 %.1f ms; heap %.1f -> %.1f MB, device %d -> %d bytes, resident %.1f -> %.1f MB%n", THREADS, REQUESTS, together,
                oneAtATime, sorted[sorted.length / 2] / 1e6, sorted[sorted.length * 99 / 100] / 1e6, before.heap / 1e6, after.heap / 1e6,
                before.device, after.device, before.resident / 1e6, after.resident / 1e6);
            assertThat(after.device).isEqualTo(before.device);
            assertThat(after.heap - before.heap).isLessThan(MOST_GROWTH);
            assertThat(after.resident - before.resident).isLessThan(4 * MOST_GROWTH);
        }
    }

    /** Nanoseconds of each request. */
    private static long[] ask(TextService service, List<String> alone, int first, int from, int to) throws InterruptedException {
        long[] times = new long[to - from];
        for (int i = from; i < to; i++) {
            long start = System.nanoTime();
            String text = service.submit(request(first + i)).text();
            times[i - from] = System.nanoTime() - start;
            if (!text.equals(alone.get((first + i) % KINDS))) {
                throw new AssertionError("request " + i + " of the thread that begins at " + first + " got '" + text + "', alone '"
                    + alone.get((first + i) % KINDS) + "'");
            }
        }
        return times;
    }

    private static double seconds(long start) {
        return (System.nanoTime() - start) / 1e9;
    }
}
