package io.sails4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.NativeException;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import io.sails4j.testing.Backends;
import io.sails4j.testing.TinyModel;
import io.sails4j.trainable.FullTrainable;
import io.sails4j.trainable.LoraTrainable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Sessions of one model beside one another, and who closes what. */
class ModelSessionTest {
    private static final int[] FIRST = {1, 7, 11, 13, 5, 31, 8};
    private static final int[] SECOND = {1, 40, 3};

    private static float[] logits(ModelSession session, AdapterStack adapters, int[] ids) {
        try (ForwardPass pass = session.forward(TokenBatch.of(ids), adapters, ForwardOptions.inference())) {
            return session.logits(pass, null).toFloatArray();
        }
    }

    /** The gradient of the adapter for a gradient of ones at the top; {@code between} runs while the forward waits for its backward. */
    private static List<float[]> gradients(ModelSession session, LoraTrainable trainable, int[] ids, Runnable between) {
        trainable.zeroGradients();
        long width = session.model().config().dModel();
        float[] ones = new float[(int) (ids.length * width)];
        Arrays.fill(ones, 1);
        try (ForwardPass pass = session.forward(TokenBatch.of(ids), trainable.adapters(), ForwardOptions.training());
             Tensor top = session.model().engine().device().allocate(DType.F32, Shape.of(ids.length, width))) {
            top.upload(ones);
            between.run();
            session.backward(pass, top, trainable.targets());
        }
        return trainable.parameters().stream().map(p -> p.gradient().toFloatArray()).toList();
    }

    /** Tokens, and bit by bit the logits of every step. */
    private static List<float[]> generated(ModelSession session, AdapterStack adapters, int[] prompt) {
        List<float[]> seen = new ArrayList<>();
        int[] ids = new Generator(session, adapters).generate(prompt, new GenerationOptions(12, 1.2, 20, 0.95, 3, Set.of()),
            (chosen, logits) -> seen.add(logits.toFloatArray()));
        float[] tokens = new float[ids.length];
        for (int i = 0; i < ids.length; i++) {
            tokens[i] = ids[i];
        }
        seen.add(tokens);
        return seen;
    }

    private static void assertSame(List<float[]> actual, List<float[]> expected) {
        assertThat(actual).hasSameSizeAs(expected);
        for (int i = 0; i < expected.size(); i++) {
            assertThat(actual.get(i)).isEqualTo(expected.get(i));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"cpu", "emulator"})
    void interleavedSessionsGiveTheSameBits(String backend) {
        try (Engine engine = Backends.open(backend, 1); CausalModel model = TinyModel.open(engine);
             LoraAdapter adapter = TinyModel.randomAdapter(engine, 5);
             LoraTrainable trainable = new LoraTrainable(adapter, engine.device())) {
            List<float[]> alone;
            float[] aloneLogits;
            try (ModelSession session = ModelSession.open(model)) {
                alone = gradients(session, trainable, FIRST, () -> {});
                aloneLogits = logits(session, trainable.adapters(), SECOND);
            }
            List<float[]> other = new ArrayList<>();
            try (ModelSession one = ModelSession.open(model); ModelSession two = ModelSession.open(model)) {
                assertSame(gradients(one, trainable, FIRST, () -> other.add(logits(two, trainable.adapters(), SECOND))), alone);
            }
            assertThat(other.getFirst()).isEqualTo(aloneLogits);
        }
    }

    /** One thread generates, with recorded steps where the backend records, while another trains. */
    @ParameterizedTest
    @ValueSource(strings = {"cpu", "emulator"})
    @Timeout(120)
    void sessionsOfTwoThreadsGiveTheSameBits(String backend) throws Exception {
        try (Engine engine = Backends.open(backend, 1); CausalModel model = TinyModel.open(engine);
             LoraAdapter adapter = TinyModel.randomAdapter(engine, 5);
             LoraTrainable trainable = new LoraTrainable(adapter, engine.device());
             ExecutorService threads = Executors.newFixedThreadPool(2)) {
            List<float[]> text;
            List<float[]> gradients;
            try (ModelSession session = ModelSession.open(model)) {
                text = generated(session, AdapterStack.none(), FIRST);
                gradients = gradients(session, trainable, SECOND, () -> {});
            }
            Callable<Void> generate = () -> {
                try (ModelSession session = ModelSession.open(model)) {
                    for (int i = 0; i < 4; i++) {
                        assertSame(generated(session, AdapterStack.none(), FIRST), text);
                    }
                }
                return null;
            };
            Callable<Void> train = () -> {
                try (ModelSession session = ModelSession.open(model)) {
                    for (int i = 0; i < 12; i++) {
                        assertSame(gradients(session, trainable, SECOND, () -> {}), gradients);
                    }
                }
                return null;
            };
            for (Future<Void> done : threads.invokeAll(List.of(generate, train))) {
                done.get();
            }
        }
    }

    @Test
    @Timeout(60)
    void aSecondThreadIsRefusedByTheNameOfTheFirstAndCloseWaits() throws Exception {
        try (Engine engine = Backends.open("cpu", 1); CausalModel model = TinyModel.open(engine);
             ExecutorService threads = Executors.newFixedThreadPool(2)) {
            ModelSession session = ModelSession.open(model);
            CountDownLatch inside = new CountDownLatch(1);
            CountDownLatch goOn = new CountDownLatch(1);
            Future<int[]> first = threads.submit(() -> {
                Thread.currentThread().setName("the first");
                return new Generator(session, AdapterStack.none()).generate(FIRST, GenerationOptions.greedy(8, Set.of()), (ids, logits) -> {
                    inside.countDown();
                    try {
                        goOn.await();
                    } catch (InterruptedException e) {
                        throw new IllegalStateException(e);
                    }
                });
            });
            inside.await();
            for (Runnable call : List.<Runnable>of(() -> logits(session, AdapterStack.none(), FIRST),
                () -> generated(session, AdapterStack.none(), FIRST), () -> session.upload(TokenBatch.of(FIRST)))) {
                assertThatThrownBy(call::run).isInstanceOf(IllegalStateException.class).hasMessageContaining("in use by thread 'the first'")
                    .hasMessageContaining("open one for each thread");
            }
            Future<?> closing = threads.submit(session::close);
            assertThatThrownBy(() -> closing.get(200, TimeUnit.MILLISECONDS)).isInstanceOf(TimeoutException.class);
            goOn.countDown();
            assertThat(first.get()).hasSize(8);
            closing.get();
            assertThatThrownBy(() -> logits(session, AdapterStack.none(), FIRST)).hasMessageContaining("session is closed");
        }
    }

    @Test
    void whatAListenerThrowsLeavesNothingBehindAndItCannotClose() {
        try (Engine engine = Backends.open("cpu", 1); CausalModel model = TinyModel.open(engine);
             ModelSession session = ModelSession.open(model)) {
            Runnable close = session::close;
            float[] expected = logits(session, AdapterStack.none(), FIRST);
            generated(session, AdapterStack.none(), FIRST);
            long allocated = engine.device().allocatedBytes();
            for (int i = 0; i < 20; i++) {
                assertThatThrownBy(() -> session.forward(TokenBatch.of(FIRST), AdapterStack.none(),
                    new ForwardOptions(true, -1, (site, layer, value) -> {
                        if (site == Site.LAYER && layer == 1) {
                            throw new UnsupportedOperationException("mine");
                        }
                    }))).hasMessage("mine");
                assertThatThrownBy(() -> new Generator(session, AdapterStack.none()).generate(FIRST, GenerationOptions.greedy(4, Set.of()),
                    (ids, logits) -> {
                        throw new UnsupportedOperationException("mine");
                    })).hasMessage("mine");
            }
            assertThat(engine.device().allocatedBytes()).isEqualTo(allocated);
            assertThatThrownBy(() -> session.forward(TokenBatch.of(FIRST), AdapterStack.none(),
                new ForwardOptions(false, -1, (site, layer, value) -> close.run()))).isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("cannot be closed by what it calls");
            assertThat(logits(session, AdapterStack.none(), FIRST)).isEqualTo(expected);
        }
    }

    @Test
    @Timeout(60)
    void anEngineThatIsClosedDuringUseEndsTheUseWithAnError() throws Exception {
        Engine engine = Backends.open("cpu", 1);
        CausalModel model = TinyModel.open(engine);
        ModelSession session = ModelSession.open(model);
        CountDownLatch inside = new CountDownLatch(1);
        try (ExecutorService threads = Executors.newSingleThreadExecutor()) {
            Future<?> generating = threads.submit(() -> new Generator(session, AdapterStack.none()).generate(FIRST,
                GenerationOptions.greedy(100, Set.of()), (ids, logits) -> inside.countDown()));
            inside.await();
            engine.close();
            assertThatThrownBy(generating::get).cause().isInstanceOfAny(IllegalStateException.class, NativeException.class);
        }
        session.close();
        model.close();
    }

    @Test
    void theLastToLeaveClosesTheModel() {
        try (Engine engine = Backends.open("cpu", 1)) {
            // The engine keeps a workspace of its own once an operation has needed one.
            try (CausalModel first = TinyModel.open(engine); ModelSession session = ModelSession.open(first)) {
                logits(session, AdapterStack.none(), FIRST);
            }
            long before = engine.device().allocatedBytes();
            CausalModel model = TinyModel.open(engine);
            ModelSession one = ModelSession.open(model);
            ModelSession two = ModelSession.open(model);
            float[] expected = logits(one, AdapterStack.none(), FIRST);
            one.close();
            one.close();
            model.close();
            model.close();
            assertThat(logits(two, AdapterStack.none(), FIRST)).isEqualTo(expected);
            assertThatThrownBy(() -> logits(one, AdapterStack.none(), FIRST)).isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("session is closed");
            assertThatThrownBy(() -> ModelSession.open(model)).isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("model is closed");
            assertThat(engine.device().allocatedBytes()).isGreaterThan(before);
            two.close();
            assertThatThrownBy(() -> logits(two, AdapterStack.none(), FIRST)).isInstanceOf(IllegalStateException.class);
            assertThat(engine.device().allocatedBytes()).isEqualTo(before);
        }
    }

    @Test
    void weightsAreTrainedForOneSessionAlone() {
        try (Engine engine = Backends.open("cpu", 1); CausalModel model = TinyModel.open(engine)) {
            try (ModelSession one = ModelSession.open(model); ModelSession two = ModelSession.open(model)) {
                assertThatThrownBy(() -> new FullTrainable(model)).isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("2 sessions");
                assertThat(one.model()).isSameAs(two.model());
            }
            try (FullTrainable trainable = new FullTrainable(model); ModelSession one = ModelSession.open(model)) {
                assertThat(trainable.parameters()).isNotEmpty();
                assertThatThrownBy(() -> ModelSession.open(one.model())).isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("one session at a time");
                assertThatThrownBy(() -> new FullTrainable(model)).isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("already");
            }
            try (ModelSession one = ModelSession.open(model); ModelSession two = ModelSession.open(model)) {
                assertThat(logits(one, AdapterStack.none(), FIRST)).isEqualTo(logits(two, AdapterStack.none(), FIRST));
            }
        }
    }
}
