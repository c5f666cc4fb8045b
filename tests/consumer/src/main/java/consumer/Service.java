package consumer;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import io.sails4j.config.ModelConfig;
import io.sails4j.data.Tokenizer;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.GenerationOptions;
import io.sails4j.model.Generator;
import io.sails4j.model.ModelSession;
import io.sails4j.model.ModelWeights;
import io.sails4j.model.TokenBatch;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.tensor.DType;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.slf4j.LoggerFactory;

/**
 * A program that keeps a model for others: several threads, its own logging, and a model that is closed while they work. It prints a line
 * for each thing that it has seen to be so, and ends with an exception where one is not.
 */
public final class Service {
    private static final int TOKENS = 12;
    private static final int ROUNDS = 60;
    /** Bytes on the heap for a token of a short generation: 126 000 were seen. */
    private static final long MOST_BYTES_A_TOKEN = 200_000;
    private static final String TOKENIZER = """
        {"version": "1.0", "truncation": null, "padding": null,
         "added_tokens": [
          {"id": 0, "content": "<pad>", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false},
          {"id": 1, "content": "<eos>", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false},
          {"id": 2, "content": "<bos>", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false},
          {"id": 3, "content": "<start_of_turn>", "special": true, "single_word": false, "lstrip": false, "rstrip": false,
           "normalized": false},
          {"id": 4, "content": "<end_of_turn>", "special": true, "single_word": false, "lstrip": false, "rstrip": false,
           "normalized": false}],
         "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": null,
         "model": {"type": "BPE", "unk_token": "<pad>", "merges": [],
          "vocab": {"<pad>": 0, "<eos>": 1, "<bos>": 2, "<start_of_turn>": 3, "<end_of_turn>": 4, "w": 5, "o": 6, "r": 7, "d": 8}}}
        """;

    private final Engine engine;
    private final CausalModel model;

    private Service(Engine engine, CausalModel model) {
        this.engine = engine;
        this.model = model;
    }

    /** Everything in turn; what the library or this writes to standard output is counted. */
    public static void main(String[] arguments) throws Exception {
        PrintStream out = System.out;
        PrintStream err = System.err;
        CountingStream written = new CountingStream();
        PrintStream counted = new PrintStream(written, true, StandardCharsets.UTF_8);
        System.setOut(counted);
        System.setErr(counted);
        List<String> seen = new ArrayList<>();
        try {
            serve(seen);
            require(System.out == counted && System.err == counted && written.bytes == 0, "the library has used standard output");
        } finally {
            System.setOut(out);
            System.setErr(err);
            seen.forEach(out::println);
        }
        out.println("standard output: nothing but this");
    }

    private static void serve(List<String> seen) throws Exception {
        Properties before = (Properties) System.getProperties().clone();
        ListAppender<ILoggingEvent> log = log();
        hostLine();
        try (Tokenizer tokenizer = tokenizer()) {
            require(Arrays.equals(tokenizer.encodeText("word"), new int[] {5, 6, 7, 8}), "the tokenizer gave other ids");
        }
        requireSame(before, "a tokenizer");
        try (Engine engine = Engine.open(EngineOptions.defaults()); CausalModel model = model(engine)) {
            Service service = new Service(engine, model);
            seen.add(service.twoThreadsAsAlone());
            seen.add(service.secondThreadIsToldOfTheFirst());
            seen.add(service.listenersThatThrow());
            seen.add(service.bytesAToken());
            seen.add(service.logOfTheLibrary(log));
        }
        seen.add(closeUnderLoad());
        hostLine();
        long hosts = log.list.stream().filter(event -> event.getLoggerName().equals("host")).count();
        require(hosts == 2, "the host's log has " + hosts + " of its two lines");
        requireSame(before, "an engine or a model");
        seen.add("host: its log and the system properties as they were");
    }

    /** But for what JNA, which loads the tokenizer, and the JDK itself keep there. */
    private static void requireSame(Properties before, String what) {
        Properties now = (Properties) System.getProperties().clone();
        require(now.keySet().containsAll(before.keySet()), what + " has cleared system properties");
        now.entrySet().removeAll(before.entrySet());
        now.keySet().removeIf(name -> name.toString().startsWith("jna.") || Set.of("jnidispatch.path", "user.timezone").contains(name));
        require(now.isEmpty(), what + " has changed system properties: " + now);
    }

    private static final class CountingStream extends OutputStream {
        private long bytes;

        @Override
        public synchronized void write(int b) {
            bytes++;
        }
    }

    private static ListAppender<ILoggingEvent> log() {
        Logger root = (Logger) LoggerFactory.getLogger(org.slf4j.Logger.ROOT_LOGGER_NAME);
        root.detachAndStopAllAppenders();
        ListAppender<ILoggingEvent> list = new ListAppender<>();
        list.start();
        root.addAppender(list);
        return list;
    }

    private static void hostLine() {
        LoggerFactory.getLogger("host").info("a line of the host");
    }

    static Tokenizer tokenizer() throws IOException {
        return Tokenizer.load(Files.writeString(Files.createTempDirectory("service").resolve("tokenizer.json"), TOKENIZER));
    }

    private static CausalModel model(Engine engine) {
        ModelConfig config = ModelConfig.gemma2().vocabSize(90).dModel(32).layers(2).heads(4, 2).headDim(8).dFf(64)
            .checkpointDtype(DType.F32).build();
        return new CausalModel(engine, ModelWeights.random(config, engine, DType.F32, 7), false);
    }

    private static void require(boolean so, String what) {
        if (!so) {
            throw new IllegalStateException(what);
        }
    }

    private static int[] generate(ModelSession session, int first) {
        return new Generator(session, AdapterStack.none()).generate(new int[] {2, first, 11}, GenerationOptions.greedy(TOKENS, Set.of()),
            null);
    }

    private int[] generate(int first) {
        try (ModelSession session = ModelSession.open(model)) {
            return generate(session, first);
        }
    }

    private String twoThreadsAsAlone() throws Exception {
        List<int[]> alone = IntStream.range(5, 25).mapToObj(this::generate).toList();
        try (ExecutorService pool = Executors.newFixedThreadPool(2)) {
            CyclicBarrier together = new CyclicBarrier(2);
            Callable<List<int[]>> all = () -> {
                together.await();
                try (ModelSession session = ModelSession.open(model)) {
                    return IntStream.range(5, 25).mapToObj(first -> generate(session, first)).toList();
                }
            };
            for (Future<List<int[]>> texts : pool.invokeAll(List.of(all, all))) {
                List<int[]> found = texts.get();
                require(IntStream.range(0, alone.size()).allMatch(i -> Arrays.equals(alone.get(i), found.get(i))),
                    "two threads gave another text than one");
            }
        }
        return "threads: 40 texts of two as of one";
    }

    private String secondThreadIsToldOfTheFirst() throws Exception {
        try (ModelSession session = ModelSession.open(model); ExecutorService pool = Executors.newSingleThreadExecutor()) {
            List<String> messages = new ArrayList<>();
            session.forward(TokenBatch.of(new int[] {2, 5}), AdapterStack.none(), new ForwardOptions(false, 0, (_, _, _) -> {
                try {
                    pool.submit(() -> generate(session, 6)).get();
                    messages.add("none");
                } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                } catch (ExecutionException e) {
                    messages.add(String.valueOf(e.getCause()));
                }
            })).close();
            String expected = IllegalStateException.class.getName() + ": the session is in use by thread 'main'";
            require(!messages.isEmpty() && messages.stream().allMatch(text -> text.startsWith(expected)),
                "the second thread was told " + messages);
        }
        return "session: a second thread is told of the first";
    }

    private String listenersThatThrow() {
        generate(5);
        long before = engine.device().allocatedBytes();
        try (ModelSession session = ModelSession.open(model)) {
            long held = 0;
            for (int i = 0; i < 200; i++) {
                int fatal = i % 4;
                int[] calls = new int[1];
                try {
                    session.forward(TokenBatch.of(new int[] {2, 5, 7}), AdapterStack.none(), new ForwardOptions(true, 1, (_, _, _) -> {
                        if (calls[0]++ == fatal) {
                            throw new UnsupportedOperationException("the host's");
                        }
                    })).close();
                    throw new IllegalStateException("the listener's exception was lost");
                } catch (UnsupportedOperationException e) {
                    held = i < 4 ? engine.device().allocatedBytes() : held;
                }
                require(i < 4 || engine.device().allocatedBytes() == held, "a listener's exception left device memory behind");
            }
        }
        require(engine.device().allocatedBytes() == before, "the session left device memory behind");
        return "listeners: 200 exceptions, nothing left behind";
    }

    /** What a generation takes of the heap for each token, and of the device's memory for good. */
    private String bytesAToken() {
        com.sun.management.ThreadMXBean threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
        try (ModelSession session = ModelSession.open(model)) {
            for (int i = 0; i < 20; i++) {
                generate(session, 5 + i);
            }
            long held = engine.device().allocatedBytes();
            long self = Thread.currentThread().threadId();
            long from = threads.getThreadAllocatedBytes(self);
            int rounds = 200;
            for (int i = 0; i < rounds; i++) {
                generate(session, 5 + i % 20);
                require(engine.device().allocatedBytes() == held, "generation " + i + " left device memory behind");
            }
            long bytes = (threads.getThreadAllocatedBytes(self) - from) / (rounds * TOKENS);
            require(bytes <= MOST_BYTES_A_TOKEN, "a token takes " + bytes + " bytes of the heap, expected at most " + MOST_BYTES_A_TOKEN);
            return "memory: device constant over " + rounds + " generations, " + bytes + " bytes of the heap a token";
        }
    }

    /** A buffer that nobody has closed is told of in the library's log, which the bridge brings to the host's. */
    private String logOfTheLibrary(ListAppender<ILoggingEvent> log) throws InterruptedException {
        engine.device().allocateBytes(64);
        for (int i = 0; i < 200; i++) {
            System.gc();
            if (List.copyOf(log.list).stream().anyMatch(event -> event.getLoggerName().equals("io.sails4j.tensor"))) {
                return "log: a sentence of the library in the host's log";
            }
            Thread.sleep(20);
        }
        throw new IllegalStateException("the host's log has nothing of the library");
    }

    /** The model, the session or the engine is closed while another thread generates: it ends with a text or a sentence. */
    private static String closeUnderLoad() throws Exception {
        try (ExecutorService pool = Executors.newSingleThreadExecutor()) {
            for (int round = 0; round < ROUNDS; round++) {
                closeOnce(pool, round);
            }
        }
        return "close: " + ROUNDS + " times under load, each ended with a text or a sentence";
    }

    private static void closeOnce(ExecutorService pool, int round) throws Exception {
        Engine engine = Engine.open(EngineOptions.defaults());
        CausalModel model = model(engine);
        ModelSession session = ModelSession.open(model);
        CountDownLatch started = new CountDownLatch(1);
        Future<int[]> text = pool.submit(() -> {
            started.countDown();
            int[] last = {};
            for (int i = 0; i < 50; i++) {
                last = generate(session, 5 + i);
            }
            return last;
        });
        started.await();
        Thread.sleep(round % 7);
        List<AutoCloseable> order = switch (round % 3) {
            case 0 -> List.of(model, session, engine);
            case 1 -> List.of(session, model, engine);
            default -> List.of(engine, session, model);
        };
        for (AutoCloseable one : order) {
            one.close();
        }
        try {
            text.get();
        } catch (ExecutionException e) {
            require(e.getCause() instanceof IllegalStateException, "closing under load ended with " + e.getCause());
        }
    }
}
