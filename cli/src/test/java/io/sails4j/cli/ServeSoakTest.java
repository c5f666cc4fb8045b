package io.sails4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sails4j.cli.SoakClients.Visit;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelOptions;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.serve.ServeOptions;
import io.sails4j.serve.TextServer;
import io.sails4j.serving.SchedulerOptions;
import io.sails4j.serving.TextService;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.Writer;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryUsage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A server among clients that behave badly, beside some that do not, all at once: with {@code -Dsails.slow=true} for 60 seconds, or as
 * many as {@code -Dsails.soak.seconds=N} says. What it prints of a long run stands in docs/serving.md.
 */
class ServeSoakTest {
    private static final int SEQUENCES = 8;
    private static final int QUEUE = 32;
    private static final int ROOM = 512;
    private static final int BODY_KIB = 64;
    /** Seconds until the HTTP layer ends a request that is not all there. A machine that stalls for so long loses good ones, too. */
    private static final int REQUEST_S = 20;
    private static final int SLOW_S = 60;
    /** Less than this is too short for memory to have its whole size at the first look. */
    private static final int MEASURED_S = 60;
    private static final long QUIET_S = 120;
    private static final long MIB = 1 << 20;
    /** Counts of requests by path and status come up, and tables grow to what they hold at most. */
    private static final long MOST_HEAP = 8 * MIB;
    /** Code that is compiled late and what malloc keeps. Beside it the heap may use, by the end, all that it has from the system. */
    private static final long MOST_RESIDENT = 64 * MIB;
    /** Carriers of virtual threads come, one a processor and those that stand in for blocked ones, and go after idle seconds. */
    private static final int MOST_THREADS = 4;
    /** A class file or a directory that is just read. Sockets are counted apart, without any. */
    private static final int MOST_FILES = 2;

    @TempDir
    private Path directory;

    /** What a process holds when nobody asks. */
    private record Held(long heap, long committed, long device, int threads, long files, long sockets, long resident) {
        static Held now(Engine engine) throws IOException {
            // What the first collection finds unreachable may be freed by a cleaner, and by the second.
            System.gc();
            System.gc();
            MemoryUsage heap = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage();
            long resident = Files.readAllLines(Path.of("/proc/self/status")).stream().filter(line -> line.startsWith("VmRSS"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")) << 10).sum();
            return new Held(heap.getUsed(), heap.getCommitted(), engine.device().allocatedBytes(),
                ManagementFactory.getThreadMXBean().getThreadCount(), files(""), files("socket:"), resident);
        }

        static long files(String kind) throws IOException {
            try (Stream<Path> open = Files.list(Path.of("/proc/self/fd"))) {
                return open.filter(file -> {
                    try {
                        return Files.readSymbolicLink(file).toString().startsWith(kind);
                    } catch (IOException e) {
                        return false;
                    }
                }).count();
            }
        }

        @Override
        public String toString() {
            return String.format(Locale.ROOT, "heap %.1f of %.1f MB, device %d bytes, %d threads, %d files, %d of them sockets, resident"
                + " %.1f MB", heap / 1e6, committed / 1e6, device, threads, files, sockets, resident / 1e6);
        }
    }

    /** Keeps what the server says beside its line a request. */
    private static final class Log extends Writer {
        private final List<String> lines = new CopyOnWriteArrayList<>();

        @Override
        public void write(char[] chars, int from, int length) {
            String text = new String(chars, from, length);
            if (!text.isBlank() && !text.startsWith("id=") && lines.size() < 100) {
                lines.add(text);
            }
        }

        @Override
        public void flush() {
            // Nothing waits.
        }

        @Override
        public void close() {
            // Nothing is open.
        }
    }

    @Test
    void badClientsHarmNobody() throws Exception {
        int seconds = Integer.getInteger("sails.soak.seconds", Boolean.getBoolean("sails.slow") ? SLOW_S : 0);
        assumeTrue(seconds > 0, "only with -Dsails.slow=true or -Dsails.soak.seconds=N");
        // Read when the first server of the process is made; where another test was first, slow requests are kept as long as they like.
        System.setProperty("sun.net.httpserver.maxReqTime", String.valueOf(REQUEST_S));
        Log log = new Log();
        TerminalLoggers.printTo(new PrintWriter(log));
        Path files = directory.resolve("model");
        SmallLlama.make(files, true, 0);
        try (Engine engine = Engine.open(new EngineOptions("cpu", 1, ""));
             CausalModel model = CausalModel.load(files, engine, ModelOptions.defaults());
             TextService service = TextService.open(model, files, new LinkedHashMap<>(Map.of("small", AdapterStack.none())), "llama3",
                 new SchedulerOptions(SEQUENCES, ROOM, 4, 64, QUEUE));
             TextServer server = TextServer.start(service, new ServeOptions("127.0.0.1", 0, BODY_KIB, 600, 5), null)) {
            SoakClients clients = new SoakClients(server.address().getPort(), ROOM, 3 * REQUEST_S * 1000);
            WrongRequests wrong = new WrongRequests(server.address().getPort(), BODY_KIB << 10, ROOM, clients.answers);
            clients.learn();
            clients.fill(2 * SEQUENCES);
            List<String> faults = new CopyOnWriteArrayList<>();
            run(clients, wrong, seconds / 10.0, 1, faults);
            Held before = quiet(service, engine, server.address().getPort());
            run(clients, wrong, seconds * 0.9, 2, faults);
            Held after = quiet(service, engine, server.address().getPort());
            System.out.println(report(clients, seconds, before, after));
            assertThat(faults).isEmpty();
            assertThat(log.lines).as("what the server says beside its line a request").isEmpty();
            clients.requireRight();
            requireCounted(clients);
            assertThat(clients.slowCut.sum() == 0 || clients.slowKept.sum() == 0).as("slow heads: all are cut off or none").isTrue();
            assertThat(after.sockets).isEqualTo(before.sockets);
            assertThat(after.files - before.files).isLessThanOrEqualTo(MOST_FILES);
            assertThat(after.threads - before.threads).isLessThanOrEqualTo(MOST_THREADS);
            if (seconds >= MEASURED_S) {
                assertThat(after.device).isEqualTo(before.device);
                assertThat(after.heap - before.heap).isLessThan(MOST_HEAP);
                assertThat(after.resident - before.resident).isLessThan(MOST_RESIDENT + after.committed - before.heap);
            }
        } finally {
            TerminalLoggers.printTo(new PrintWriter(System.err, true));
        }
    }

    private record Client(String name, int number, Visit visit) {
    }

    /** Lets all kinds of clients go on side by side. */
    private static void run(SoakClients clients, WrongRequests wrong, double seconds, int part, List<String> faults)
        throws InterruptedException {
        clients.endAt(System.nanoTime() + (long) (seconds * 1e9));
        List<Client> all = List.of(new Client("good", 6, clients::good), new Client("pipelined", 1, clients::pipelined),
            new Client("slow readers", 3, clients::slowReader),
            new Client("no readers", 1, clients::neverReads), new Client("cut requests", 1, clients::cutRequest),
            new Client("cut answers", 2, clients::cutAnswer), new Client("slow heads", 6, clients::slowHead),
            new Client("floods", 1, clients::flood), new Client("wrong", 1, wrong::wrong), new Client("huge", 1, wrong::huge),
            new Client("no HTTP", 1, wrong::noHttp), new Client("look after", 1, clients::looksAfter));
        SplittableRandom seeds = new SplittableRandom(part);
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (Client client : all) {
                for (int i = 0; i < client.number; i++) {
                    SplittableRandom random = seeds.split();
                    threads.submit(() -> clients.goOn(client.name, client.visit, random, faults));
                }
            }
        }
    }

    /** Waits until nothing is under way and no connection is open, not by the server and not by a client. */
    private static Held quiet(TextService service, Engine engine, int port) throws IOException, InterruptedException {
        long patience = System.nanoTime() + TimeUnit.SECONDS.toNanos(QUIET_S);
        while (service.scheduler().state().running() + service.scheduler().state().waiting() > 0 || !connections(port).isEmpty()) {
            assertThat(System.nanoTime()).as("left are " + service.scheduler().state() + " and the connections " + connections(port))
                .isLessThan(patience);
            Thread.sleep(100);
        }
        return Held.now(engine);
    }

    /** Lines of proc(5)'s net/tcp: local and remote address, state (0A listens, 06 has no owner any more), bytes unsent and unread. */
    private static List<String> connections(int port) throws IOException {
        String hex = String.format(Locale.ROOT, ":%04X ", port);
        List<String> open = new ArrayList<>();
        for (String family : List.of("tcp", "tcp6")) {
            Files.readAllLines(Path.of("/proc/self/net", family)).stream().filter(line -> line.contains(hex))
                .map(line -> line.strip().split(
                    "\\s+"))
                .filter(word -> !word[3].equals("0A") && !word[9].equals("0")).forEach(word -> open.add(String.join(" ", List.of(word)
                    .subList(1, 5))));
        }
        return open;
    }

    /** The server has counted every request that was answered, and nothing that was not asked. */
    private static void requireCounted(SoakClients clients) throws IOException, InterruptedException {
        // An answer is counted after it was sent.
        Thread.sleep(1000);
        Map<Integer, Long> counts = new TreeMap<>(clients.countedByServer());
        long unknown = -sum(clients.answers.answered.values());
        for (Map.Entry<Integer, Long> count : counts.entrySet()) {
            long answered = clients.answers.answered.getOrDefault(count.getKey(), new LongAdder()).sum();
            unknown += count.getValue();
            assertThat(count.getValue()).as("requests of status " + count.getKey() + " of " + counts).isGreaterThanOrEqualTo(answered);
        }
        assertThat(counts.keySet()).containsAll(clients.answers.answered.keySet()).isSubsetOf(0, 200, 400, 404, 405, 413, 415, 429);
        // A head that ends early is taken for a whole one: 415 and others may be told to who is gone.
        for (int status : List.of(404, 405, 413)) {
            assertThat(counts.get(status)).as("status " + status).isEqualTo(clients.answers.answered.get(status).sum());
        }
        assertThat(unknown).as("requests that nobody waited for").isBetween(0L, clients.answers.left.sum());
    }

    private static long sum(Iterable<LongAdder> counts) {
        long sum = 0;
        for (LongAdder count : counts) {
            sum += count.sum();
        }
        return sum;
    }

    private static String report(SoakClients clients, int seconds, Held before, Held after) {
        return String.format(Locale.ROOT, "%d s: %d answers, by status %s; %d left, %d turned away as no HTTP, slow heads %d cut off, %d"
            + " kept; visits %s%nat a tenth: %s%nat the end: %s", seconds, sum(clients.answers.answered.values()),
            new ConcurrentSkipListMap<>(clients.answers.answered), clients.answers.left.sum(), clients.answers.turnedAway.sum(),
            clients.slowCut.sum(),
            clients.slowKept.sum(), new ConcurrentSkipListMap<>(clients.visits), before, after);
    }
}
