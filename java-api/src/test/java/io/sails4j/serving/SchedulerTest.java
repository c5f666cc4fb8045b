package io.sails4j.serving;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.InputException;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CacheUse;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ForwardPass;
import io.sails4j.model.GenerationOptions;
import io.sails4j.model.ModelSession;
import io.sails4j.model.TokenBatch;
import io.sails4j.model.TokenLogprobs;
import io.sails4j.monitor.Action;
import io.sails4j.monitor.Monitor;
import io.sails4j.monitor.MonitorEvent;
import io.sails4j.monitor.MonitorSpec;
import io.sails4j.monitor.Part;
import io.sails4j.monitor.Rule;
import io.sails4j.monitor.Signal;
import io.sails4j.monitor.Trigger;
import io.sails4j.ops.Engine;
import io.sails4j.sae.Sae;
import io.sails4j.sae.SaeFixture;
import io.sails4j.steer.Feature;
import io.sails4j.testing.Backends;
import io.sails4j.testing.TinyModel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(120)
class SchedulerTest {
    private static final SchedulerOptions OPTIONS = new SchedulerOptions(4, 64, 3, 8, 1000);

    private static Engine engine;
    private static CausalModel model;
    private static LoraAdapter adapter;

    @BeforeAll
    static void open() {
        engine = Backends.open("cpu", 1);
        model = TinyModel.open(engine);
        adapter = TinyModel.randomAdapter(engine, 3);
    }

    @AfterAll
    static void close() {
        adapter.close();
        model.close();
        engine.close();
    }

    private static CompletionRequest request(int i) {
        SplittableRandom random = new SplittableRandom(i % 20);
        int[] prompt = IntStream.concat(IntStream.range(1, 10 * (i % 3)), random.ints(1 + random.nextInt(7), 1, 61)).toArray();
        GenerationOptions options = i % 2 == 0 ? GenerationOptions.greedy(3 + i % 8, Set.of(5, 6))
            : new GenerationOptions(6, 1.1, 30, 0.9, i % 20, Set.of());
        return new CompletionRequest(prompt, options, i % 4 == 0 ? AdapterStack.of(adapter.modules()) : AdapterStack.none(), null);
    }

    private static GenerationOptions endless() {
        return GenerationOptions.greedy(50, Set.of());
    }

    private static int[] answered(Completion completion) {
        try {
            List<Integer> ids = new ArrayList<>();
            for (int id = completion.next(); id >= 0; id = completion.next()) {
                ids.add(id);
            }
            assertThat(completion.await().finish()).isIn(Finish.STOP, Finish.LENGTH);
            return ids.stream().mapToInt(id -> id).toArray();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void manyThreadsGetWhatEachWouldGetAlone() throws Exception {
        int[][] alone = new int[60][];
        for (int i = 0; i < alone.length; i++) {
            try (Scheduler scheduler = Scheduler.open(model, OPTIONS)) {
                alone[i] = answered(scheduler.submit(request(i)));
            }
        }
        try (Scheduler scheduler = Scheduler.open(model, OPTIONS); ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<int[]>> answers = IntStream.range(0, 600)
                .mapToObj(i -> threads.submit(() -> answered(scheduler.submit(request(i % 60)))))
                .toList();
            for (int i = 0; i < answers.size(); i++) {
                assertThat(answers.get(i).get()).as("request %d", i).isEqualTo(alone[i % 60]);
            }
            SchedulerState state = scheduler.state();
            assertThat(state.waiting() + state.running()).isZero();
            assertThat(state.ended().values().stream().mapToLong(n -> n).sum()).isEqualTo(600);
            assertThat(state.sharedTokens()).isPositive().isLessThan(state.promptTokens());
        }
    }

    @Test
    void memoryIsBoundedAndWhoFindsNoneWaits() throws Exception {
        SchedulerOptions small = new SchedulerOptions(400, 64, 8, 8, 400, 1);
        try (Scheduler scheduler = Scheduler.open(model, small)) {
            CacheUse begun = scheduler.state().cache();
            assertThat(begun.most() * begun.pageBytes()).isLessThanOrEqualTo(1 << 20).isGreaterThan((1 << 20) - begun.pageBytes());
            List<Completion> all = new ArrayList<>();
            for (int i = 0; i < begun.most() / 4 + 20; i++) {
                all.add(scheduler.submit(CompletionRequest.of(new int[] {i % 60, 2, 3}, endless())));
            }
            int[] first = answered(all.getFirst());
            SchedulerState state = scheduler.state();
            assertThat(state.waiting()).as("requests for which there is no memory yet").isPositive();
            assertThat(state.cache().used()).isPositive().isLessThanOrEqualTo(begun.most());
            all.subList(1, 60).forEach(Completion::cancel);
            assertThat(answered(all.get(60))).as("the same request again").isEqualTo(first);
            all.forEach(Completion::cancel);
            for (Completion completion : all) {
                completion.await();
            }
            assertThat(scheduler.drain(Duration.ofSeconds(10))).isTrue();
        }
        assertThatThrownBy(() -> new SchedulerOptions(4, 64, 3, 8, 1, -1)).isInstanceOf(InputException.class)
            .hasMessageContaining("cache_mib is -1");
    }

    @Test
    void cancellingAndTimeEndARequestAndLeaveTheOthers() throws Exception {
        try (Scheduler scheduler = Scheduler.open(model, OPTIONS)) {
            int[] alone = answered(scheduler.submit(CompletionRequest.of(new int[] {1, 2}, endless())));
            Completion one = scheduler.submit(CompletionRequest.of(new int[] {1, 2}, endless()));
            Completion other = scheduler.submit(CompletionRequest.of(new int[] {1, 2, 3}, endless()));
            Completion late = scheduler.submit(new CompletionRequest(new int[] {4}, endless(), AdapterStack.none(), Duration.ofNanos(1)));
            assertThat(late.await().finish()).isEqualTo(Finish.TIME_LIMIT);
            other.next();
            other.cancel();
            other.cancel();
            assertThat(other.await().finish()).isIn(Finish.CANCELLED, Finish.LENGTH);
            assertThat(answered(one)).isEqualTo(alone);
            one.cancel();
            assertThat(one.await().finish()).isEqualTo(Finish.LENGTH);
        }
    }

    @Test
    void aFullQueueIsAnAnswer() throws Exception {
        try (Scheduler scheduler = Scheduler.open(model, new SchedulerOptions(1, 64, 1, 8, 2))) {
            List<Completion> taken = new ArrayList<>();
            assertThatThrownBy(() -> {
                while (taken.size() < 50) {
                    taken.add(scheduler.submit(CompletionRequest.of(new int[] {1}, endless())));
                }
            }).isInstanceOf(BusyException.class).hasMessageContaining("requests wait already");
            assertThat(taken).hasSizeGreaterThanOrEqualTo(3);
            assertThat(scheduler.state().refused()).isEqualTo(1);
            taken.forEach(SchedulerTest::answered);
            answered(scheduler.submit(CompletionRequest.of(new int[] {1}, endless())));
        }
    }

    /** The largest queue is a queue too, and what no machine has is refused by the option's name. */
    @Test
    void sizesAtTheEdges() {
        try (Scheduler scheduler = Scheduler.open(model, new SchedulerOptions(4, 64, 3, 8, Integer.MAX_VALUE))) {
            assertThat(answered(scheduler.submit(request(2)))).isNotEmpty();
        }
        assertThatThrownBy(() -> new SchedulerOptions(100_000, 64, 3, 8, 1)).isInstanceOf(InputException.class)
            .hasMessageContaining("sequences is 100000");
        assertThatThrownBy(() -> new SchedulerOptions(4, 64, 100_000, 8, 1)).isInstanceOf(InputException.class)
            .hasMessageContaining("decode_rows is 100000");
    }

    @Test
    void closingEndsWhatIsUnderWay() throws Exception {
        Scheduler scheduler = Scheduler.open(model, new SchedulerOptions(1, 64, 1, 8, 500));
        List<Completion> taken = IntStream.range(0, 200).mapToObj(_ -> scheduler.submit(CompletionRequest.of(new int[] {1}, endless())))
            .toList();
        CountDownLatch ended = new CountDownLatch(1);
        Thread reader = Thread.startVirtualThread(() -> {
            try {
                while (taken.getLast().next() >= 0) {
                    // Read until its end.
                }
                ended.countDown();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        scheduler.close();
        scheduler.close();
        ended.await();
        reader.join();
        assertThat(taken.getLast().await().finish()).isEqualTo(Finish.CLOSED);
        assertThatThrownBy(() -> scheduler.submit(CompletionRequest.of(new int[] {1}, endless()))).isInstanceOf(BusyException.class);
    }

    @Test
    void drainingWaitsForWhatWasTaken() throws Exception {
        try (Scheduler scheduler = Scheduler.open(model, OPTIONS)) {
            List<Completion> taken = IntStream.range(0, 12).mapToObj(_ -> scheduler.submit(CompletionRequest.of(new int[] {1}, endless())))
                .toList();
            assertThat(scheduler.drain(Duration.ofSeconds(60))).isTrue();
            for (Completion completion : taken) {
                assertThat(completion.await().finish()).isEqualTo(Finish.LENGTH);
            }
            assertThatThrownBy(() -> scheduler.submit(CompletionRequest.of(new int[] {1}, endless()))).isInstanceOf(BusyException.class)
                .hasMessageContaining("ending");
        }
    }

    @Test
    void whatCannotBeAnsweredIsASentenceAtOnce() {
        try (Scheduler scheduler = Scheduler.open(model, OPTIONS)) {
            assertThatThrownBy(() -> scheduler.submit(CompletionRequest.of(new int[0], endless()))).isInstanceOf(InputException.class);
            assertThatThrownBy(() -> scheduler.submit(CompletionRequest.of(new int[] {61}, endless()))).isInstanceOf(InputException.class)
                .hasMessageContaining("token id 61").hasMessageContaining("0 to 60");
            assertThatThrownBy(() -> scheduler.submit(CompletionRequest.of(new int[20], endless()))).isInstanceOf(InputException.class)
                .hasMessageContaining("20 tokens").hasMessageContaining("at most 64 together");
        }
        assertThatThrownBy(() -> Scheduler.open(model, new SchedulerOptions(1, 4096, 0, 8, 1))).isInstanceOf(InputException.class)
            .hasMessageContaining("4096");
    }

    /** An adapter that was freed under a request: what breaks ends those whom it concerns. */
    @Test
    void whatBreaksEndsThatRequestAndTheSchedulerGoesOn() throws Exception {
        LoraAdapter gone = TinyModel.randomAdapter(engine, 9);
        AdapterStack stack = AdapterStack.of(gone.modules());
        gone.close();
        try (Scheduler scheduler = Scheduler.open(model, OPTIONS)) {
            int[] right = answered(scheduler.submit(request(1)));
            Ending broken = scheduler.submit(new CompletionRequest(new int[] {1, 2}, endless(), stack, null)).await();
            assertThat(broken.finish()).isEqualTo(Finish.FAILED);
            assertThat(broken.failure()).isNotNull();
            assertThat(answered(scheduler.submit(request(1)))).isEqualTo(right);
        }
    }

    @Test
    void aHundredThousandSessionsLeaveNothing() {
        try (Scheduler scheduler = Scheduler.open(model, OPTIONS)) {
            // The engine keeps the workspaces of its first calls.
            answered(scheduler.submit(request(1)));
        }
        long before = engine.device().allocatedBytes();
        for (int i = 0; i < 100_000; i++) {
            ModelSession.open(model).close();
        }
        assertThat(engine.device().allocatedBytes()).isEqualTo(before);
        for (int i = 0; i < 200; i++) {
            try (Scheduler scheduler = Scheduler.open(model, OPTIONS)) {
                scheduler.submit(CompletionRequest.of(new int[] {1, 2, 3}, endless())).cancel();
            }
        }
        assertThat(engine.device().allocatedBytes()).isEqualTo(before);
    }

    /** A watcher that throws, and a rule that stops, end their own requests; what is beside them stays as it is. */
    @Test
    void aMonitorEndsItsOwnRequestAlone(@TempDir Path directory) throws Exception {
        try (Sae sae = Sae.load(SaeFixture.jumprelu((int) TinyModel.CONFIG.dModel(), 40).saeLens(directory), engine)) {
            Rule rule = new Rule("seven", Signal.of(new Feature(1, 7)), Part.ANSWER, new Trigger(Trigger.Side.ABOVE, 0, 0, 1),
                new Action.Stop());
            int[] alone;
            try (Scheduler scheduler = Scheduler.open(model, OPTIONS)) {
                alone = answered(scheduler.submit(CompletionRequest.of(new int[] {1, 2}, endless())));
                assertThatThrownBy(() -> scheduler.submit(new CompletionRequest(new int[] {1}, endless(), AdapterStack.none(), null,
                    new CompletionRequest.Watch(-1, _ -> {}, -1)))).isInstanceOf(InputException.class)
                    .hasMessageContaining("has no monitor");
            }
            List<Integer> positions = new CopyOnWriteArrayList<>();
            try (Monitor monitor = Monitor.open(model, Map.of(1, sae), MonitorSpec.of(List.of(rule), Map.of(1, sae)));
                 Scheduler scheduler = Scheduler.open(model, OPTIONS, monitor, Map.of())) {
                Completion throwing = scheduler.submit(new CompletionRequest(new int[] {1, 2}, endless(), AdapterStack.none(), null,
                    new CompletionRequest.Watch(-1, token -> {
                        positions.add(token.position());
                        if (token.position() == 3) {
                            throw new IllegalStateException("the watcher's own");
                        }
                    }, -1)));
                Completion stopped = scheduler.submit(CompletionRequest.of(new int[] {1, 2}, endless()));
                assertThat(throwing.await().finish()).isIn(Finish.FAILED, Finish.MONITOR);
                assertThat(stopped.await().finish()).isEqualTo(Finish.MONITOR);
                MonitorEvent event = stopped.events().getLast();
                assertThat(event.rule()).isEqualTo(rule);
                assertThat(stopped.tokens()).isEqualTo(Arrays.copyOf(alone, event.token() + 1));
                assertThat(positions).startsWith(0, 1);
                if (throwing.await().finish() == Finish.FAILED) {
                    assertThat(throwing.await().failure()).hasMessage("the watcher's own");
                }
            }
            Rule away = rule.doing(new Action.SwitchTo("nobody"));
            try (Monitor monitor = Monitor.open(model, Map.of(1, sae), MonitorSpec.of(List.of(away), Map.of(1, sae)))) {
                assertThatThrownBy(() -> Scheduler.open(model, OPTIONS, monitor, Map.of("safe", AdapterStack.none())))
                    .isInstanceOf(InputException.class).hasMessageContaining("switches to 'nobody'").hasMessageContaining("safe");
            }
        }
    }

    /** ln softmax of the logits of whole passes, and the likeliest tokens of a full sort. */
    @Test
    void logProbabilitiesAreThoseOfWholePasses() throws Exception {
        int[] prompt = {1, 2, 3, 4, 5, 6, 7, 8, 9};
        GenerationOptions options = new GenerationOptions(6, 0.8, 20, 0.9, 5, Set.of());
        try (Scheduler scheduler = Scheduler.open(model, OPTIONS); ModelSession session = ModelSession.open(model)) {
            Completion completion = scheduler.submit(new CompletionRequest(prompt, options, AdapterStack.none(), null,
                new CompletionRequest.Watch(-1, null, 7)));
            int[] tokens = answered(completion);
            List<TokenLogprobs> told = completion.logprobs();
            assertThat(told).hasSize(6);
            int[] ids = IntStream.concat(Arrays.stream(prompt), Arrays.stream(tokens)).toArray();
            float[] logits;
            try (ForwardPass pass = session.forward(TokenBatch.of(ids), AdapterStack.none(), ForwardOptions.inference())) {
                logits = session.logits(pass, IntStream.range(prompt.length - 1, ids.length - 1).toArray()).toFloatArray();
            }
            int vocab = (int) model.config().vocabSize();
            // Logits are capped at 30; both ways round sums of 24 products.
            Offset<Double> rounding = Offset.offset(24 * 30 * 0x1p-24 * 8);
            for (int t = 0; t < tokens.length; t++) {
                int from = t * vocab;
                double sum = IntStream.range(0, vocab).mapToDouble(i -> Math.exp(logits[from + i])).sum();
                int[] order = IntStream.range(0, vocab).boxed().sorted(Comparator.comparingDouble(i -> -logits[from + i])).limit(7)
                    .mapToInt(i -> i).toArray();
                assertThat(told.get(t).id()).isEqualTo(tokens[t]);
                assertThat(told.get(t).logprob()).isCloseTo(logits[from + tokens[t]] - Math.log(sum), rounding);
                assertThat(told.get(t).topIds()).isEqualTo(order);
                for (int i = 0; i < 7; i++) {
                    assertThat(told.get(t).topLogprobs()[i]).isCloseTo(logits[from + order[i]] - Math.log(sum), rounding);
                }
            }
            assertThat(scheduler.submit(request(2)).logprobs()).isEmpty();
        }
    }
}
