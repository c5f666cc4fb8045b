package io.sails4j.objective;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.data.TokenPair;
import io.sails4j.data.TokenSequence;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.loop.StepHook;
import io.sails4j.loop.StepMetrics;
import io.sails4j.loop.TrainingLoop;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelSession;
import io.sails4j.ops.Engine;
import io.sails4j.ops.Graphs;
import io.sails4j.ops.Ops;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorAddress;
import io.sails4j.testing.Backends;
import io.sails4j.testing.StepVariant;
import io.sails4j.testing.TinyModel;
import io.sails4j.train.TrainingException;
import io.sails4j.train.TrainingOptions;
import io.sails4j.trainable.LoraTrainable;
import io.sails4j.trainable.Trainable;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Steps that are launched as graphs, all of them but what changes, are steps that are called: bit for bit, whatever they consist of. */
class StepGraphsTest {
    @TempDir
    private Path temporary;

    private record Trained(List<Double> losses, List<Double> norms, List<Double> penalties, List<Double> shares,
        SequencedMap<String, HostTensor> state) {
        Trained() {
            this(new ArrayList<>(), new ArrayList<>(), new ArrayList<>(), new ArrayList<>(), new LinkedHashMap<>());
        }

        void add(StepMetrics m) {
            losses.add(m.loss());
            norms.add(m.gradNorm());
            penalties.add(m.penalty());
            shares.add(m.shareInside());
        }

        void assertSame(Trained other) {
            assertThat(losses).isEqualTo(other.losses);
            assertThat(norms).isEqualTo(other.norms);
            assertThat(penalties).isEqualTo(other.penalties);
            assertThat(shares).isEqualTo(other.shares);
            assertThat(state.keySet()).isEqualTo(other.state.keySet());
            state.forEach((name, tensor) -> assertThat(bytes(tensor)).as(name).isEqualTo(bytes(other.state.get(name))));
        }

        private static byte[] bytes(HostTensor tensor) {
            return tensor.data().toArray(ValueLayout.JAVA_BYTE);
        }
    }

    private static Engine emulator() {
        return Backends.open("emulator", 2);
    }

    /** As many steps as it takes: a shape is called when it first comes, recorded the second time, and launched from then on. */
    private static TrainingOptions options(StepVariant variant, int micro, Graphs graphs) {
        return variant.options(micro, graphs).withBatching(b -> b.maxSteps = 4);
    }

    private static Trained train(StepVariant variant, boolean preference, int micro, Graphs graphs) {
        Trained trained = new Trained();
        try (Engine engine = emulator()) {
            variant.with(engine, options(variant, micro, graphs), StepVariant.loss(preference), loop -> {
                while (!loop.finished()) {
                    trained.add(loop.step(() -> false));
                }
                loop.finish();
                trained.state.putAll(loop.state());
            });
        }
        return trained;
    }

    /** Micro-batches of 20 positions: a step has several of them, of two shapes. */
    @ParameterizedTest
    @EnumSource
    void theBitsAreTheSame(StepVariant variant) {
        train(variant, false, 20, Graphs.ON).assertSame(train(variant, false, 20, Graphs.OFF));
    }

    @ParameterizedTest
    @EnumSource(names = {"DORA", "PENALTY", "CORE_EMA", "FULL_MASTERS_8BIT"})
    void theBitsAreTheSameWithPairs(StepVariant variant) {
        train(variant, true, 40, Graphs.AUTO).assertSame(train(variant, true, 40, Graphs.OFF));
    }

    /** The first loop goes on by graphs, the second has to record them, and the third calls. */
    @ParameterizedTest
    @EnumSource(names = {"DORA", "UPDATE", "CORE_EMA", "FULL_MASTERS"})
    void aResumedRunHasTheSameBits(StepVariant variant) {
        Path file = temporary.resolve("state.safetensors");
        ObjectNode[] counters = new ObjectNode[1];
        List<Trained> runs = new ArrayList<>();
        for (Graphs graphs : List.of(Graphs.ON, Graphs.ON, Graphs.OFF)) {
            Trained trained = new Trained();
            try (Engine engine = emulator()) {
                variant.with(engine, variant.options(20, graphs), StepVariant.loss(false), loop -> {
                    if (counters[0] == null) {
                        for (int i = 0; i < 4; i++) {
                            loop.step(() -> false);
                        }
                        SafetensorsWriter.write(file, loop.state(), Map.of());
                        counters[0] = loop.counters();
                    } else {
                        try (SafetensorsFile state = SafetensorsFile.open(file)) {
                            loop.restore(state, counters[0]);
                        }
                    }
                    while (!loop.finished()) {
                        trained.add(loop.step(() -> false));
                    }
                    trained.state.putAll(loop.state());
                });
            }
            runs.add(trained);
        }
        runs.get(1).assertSame(runs.getFirst());
        runs.get(2).assertSame(runs.getFirst());
    }

    /** One micro-batch a step, always of one shape: what is queued by calls does not grow with the number of parameters. */
    @ParameterizedTest
    @EnumSource
    void aStepIsAHandfulOfCalls(StepVariant variant) {
        // The batch goes up, its losses are copied, the numbers come down; one call for each rule of the optimizer, and four graphs.
        assertCalls(variant, new SftLoss(ofOneLength()), 16);
    }

    private static List<TokenSequence> ofOneLength() {
        return StepVariant.sequences().stream().filter(s -> s.length() == 6).toList();
    }

    /** What pairs add is the same whatever is trained. */
    @ParameterizedTest
    @EnumSource(names = {"LORA", "PENALTY", "FULL_MASTERS_8BIT"})
    void aStepOfPairsIsAHandfulOfCalls(StepVariant variant) {
        List<TokenSequence> same = ofOneLength();
        // Marks of the answers and the reference go up too, the losses of the pairs are called, and the pass is two graphs.
        assertCalls(variant,
            new PreferenceLoss(IntStream.range(0, 10).mapToObj(i -> new TokenPair(same.get(i), same.get((i + 3) % 10))).toList(), 0.2), 20);
    }

    private static void assertCalls(StepVariant variant, Loss loss, long most) {
        try (Engine engine = emulator()) {
            variant.with(engine, options(variant, 60, Graphs.ON), loss, loop -> {
                List<Long> calls = new ArrayList<>();
                while (!loop.finished()) {
                    long before = engine.device().calls();
                    loop.step(() -> false);
                    calls.add(engine.device().calls() - before);
                }
                assertThat(calls.getFirst()).isGreaterThan(70);
                assertThat(calls.subList(2, calls.size())).allSatisfy(n -> assertThat(n).isLessThanOrEqualTo(most));
            });
        }
    }

    /** Adds something to the first gradient, and tells its square as the penalty. */
    private static final class Addition implements StepHook, AutoCloseable {
        private final Ops ops;
        private final Tensor gradient;
        private final boolean waits;
        private Tensor added;
        private long layout;
        private StepReadings.@Nullable Reading square;

        Addition(Engine engine, Trainable trainable, boolean waits) {
            ops = engine.ops();
            gradient = trainable.parameters().getFirst().gradient();
            added = engine.device().zeros(DType.F32, gradient.shape());
            this.waits = waits;
        }

        @Override
        public void allot(StepReadings readings) {
            square = readings.add(DType.F64, 1);
        }

        @Override
        public void beforeUpdate() {
            if (waits) {
                gradient.toFloatArray();
            }
            ops.elementwise().axpby(gradient, added, 1, 1);
            ops.elementwise().sumOfSquares(Objects.requireNonNull(square).tensor(), List.of(gradient));
        }

        /** What is added from now on, in another place. */
        void move(Engine engine, float value) {
            Tensor before = added;
            float[] values = new float[(int) before.numel()];
            Arrays.fill(values, value);
            added = engine.device().upload(HostTensor.ofFloats(values, before.shape().toArray()));
            before.close();
            layout++;
        }

        @Override
        public long memoryLayout() {
            return layout;
        }

        @Override
        public double penalty() {
            return Objects.requireNonNull(square).value(0);
        }

        @Override
        public List<ProjectedParameter> projected() {
            return List.of();
        }

        @Override
        public double shareInside() {
            return Double.NaN;
        }

        @Override
        public void close() {
            added.close();
        }
    }

    private interface Body {
        void accept(Engine engine, TrainingLoop loop, Addition hook);
    }

    private static void withAddition(Graphs graphs, boolean waits, Body body) {
        try (Engine engine = emulator(); CausalModel model = TinyModel.open(engine);
             LoraAdapter adapter = TinyModel.randomAdapter(engine, 4);
             LoraTrainable trainable = new LoraTrainable(adapter, engine.device()); Addition hook = new Addition(engine, trainable, waits);
             TrainingLoop loop = new TrainingLoop(model, trainable, StepVariant.loss(false), StepVariant.LORA.options(20, graphs), hook,
                 System::nanoTime)) {
            loop.prepare();
            body.accept(engine, loop, hook);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"ON", "OFF"})
    void aGradientThatIsNotFiniteChangesNothing(Graphs graphs) {
        withAddition(graphs, false, (engine, loop, hook) -> {
            for (int i = 0; i < 5; i++) {
                loop.step(() -> false);
            }
            float[] poison = new float[(int) hook.added.numel()];
            poison[3] = Float.NaN;
            hook.added.upload(poison);
            SequencedMap<String, HostTensor> before = loop.state();
            assertThatThrownBy(() -> loop.step(() -> false)).isInstanceOf(TrainingException.class)
                .hasMessageContaining("not finite in step 6");
            loop.state().forEach((name, tensor) -> assertThat(Trained.bytes(tensor)).as(name).isEqualTo(Trained.bytes(before.get(name))));
        });
    }

    @Test
    void aHookMayMoveItsMemory() {
        List<double[]> runs = new ArrayList<>();
        for (Graphs graphs : List.of(Graphs.ON, Graphs.OFF)) {
            withAddition(graphs, false, (engine, loop, hook) -> {
                double[] penalties = new double[6];
                for (int i = 0; i < penalties.length; i++) {
                    if (i == 4) {
                        hook.move(engine, 0.25f);
                    }
                    penalties[i] = loop.step(() -> false).penalty();
                }
                runs.add(penalties);
            });
        }
        assertThat(runs.getFirst()).isEqualTo(runs.getLast());
        assertThat(runs.getFirst()[4]).isGreaterThan(runs.getFirst()[3]);
    }

    /** Such a hook breaks its contract; the run goes on by calls, and says so. */
    @Test
    void aHookThatWaitsIsCalled() {
        List<double[]> runs = new ArrayList<>();
        for (Graphs graphs : List.of(Graphs.AUTO, Graphs.OFF)) {
            withAddition(graphs, true, (engine, loop, hook) -> {
                double[] penalties = new double[6];
                for (int i = 0; i < penalties.length; i++) {
                    penalties[i] = loop.step(() -> false).penalty();
                }
                runs.add(penalties);
            });
        }
        assertThat(runs.getFirst()).isEqualTo(runs.getLast());
        assertThat(runs.getFirst()).doesNotContain(0);
    }

    @Test
    void aPieceIsRecordedAgainWhenItsMemoryHasMoved() {
        try (Engine engine = emulator(); CausalModel model = TinyModel.open(engine); ModelSession session = ModelSession.open(model);
             PassContext context = PassContext.of(session).withGraphs();
             Tensor one = engine.device().upload(HostTensor.ofFloats(new float[] {1}, 1));
             Tensor first = engine.device().zeros(DType.F32, one.shape()); Tensor second = engine.device().zeros(DType.F32, one.shape())) {
            Tensor[] sum = {first};
            int[] called = {0};
            Runnable body = () -> {
                called[0]++;
                engine.ops().elementwise().axpby(sum[0], one, 1, 1);
            };
            for (int i = 0; i < 4; i++) {
                context.run(StepGraphs.StepPhase.AFTER, 7, body);
            }
            assertThat(called[0]).as("once for its calls, once for the recording").isEqualTo(2);
            sum[0] = second;
            context.run(StepGraphs.StepPhase.AFTER, 8, body);
            context.run(StepGraphs.StepPhase.AFTER, 8, body);
            assertThat(called[0]).isEqualTo(3);
            assertThat(first.toFloatArray()).containsExactly(4);
            assertThat(second.toFloatArray()).containsExactly(2);
            // A larger pass moves the model's memory.
            new SftLoss(StepVariant.sequences()).sum(context, AdapterStack.none(), new int[] {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
            context.run(StepGraphs.StepPhase.AFTER, 8, body);
            assertThat(called[0]).isEqualTo(4);
            assertThat(second.toFloatArray()).containsExactly(3);
        }
    }

    @Test
    void readingsSayWhenTheyHaveMoved() {
        try (Engine engine = Backends.open("cpu", 1); StepReadings readings = new StepReadings(engine.device())) {
            readings.begin();
            long start = TensorAddress.of(readings.add(DType.F32, 10).tensor());
            long layout = readings.layout();
            readings.begin();
            assertThat(TensorAddress.of(readings.add(DType.F32, 10).tensor())).isEqualTo(start);
            readings.add(DType.F64, 20_000);
            assertThat(readings.layout()).as("what is there stays").isEqualTo(layout);
            readings.begin();
            assertThat(readings.layout()).as("one piece in place of two").isGreaterThan(layout);
        }
    }
}
