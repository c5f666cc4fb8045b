package io.sails4j.backends;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.config.ModuleKey;
import io.sails4j.config.Projection;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.BatchDecoder;
import io.sails4j.model.BatchGenerator;
import io.sails4j.model.BatchOptions;
import io.sails4j.model.CausalModel;
import io.sails4j.model.GenerationOptions;
import io.sails4j.model.Generator;
import io.sails4j.model.LowRankAdapter;
import io.sails4j.model.ModelSession;
import io.sails4j.model.ModelWeights;
import io.sails4j.ops.Engine;
import io.sails4j.ops.Graphs;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import io.sails4j.testing.Backends;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Continuous batches: what a sequence gets is the same whatever runs beside it. */
class BatchDecodingTest {
    private static final int VOCAB = 97;
    private static final ModelConfig CONFIG = ModelConfig.gemma2().vocabSize(VOCAB).dModel(24).layers(2).heads(4, 2).headDim(6).dFf(40)
        .slidingWindow(5).maxPositionEmbeddings(128).checkpointDtype(DType.F32).build();

    private static List<BatchGenerator.Request> requests(int count) {
        SplittableRandom random = new SplittableRandom(5);
        return IntStream.range(0, count)
            .mapToObj(
                i -> new BatchGenerator.Request(i, IntStream.range(0, 1 + random.nextInt(14)).map(t -> 2 + random.nextInt(90)).toArray()))
            .toList();
    }

    private static Tensor drawn(Engine engine, long seed, long... dims) {
        SplittableRandom random = new SplittableRandom(seed);
        Tensor tensor = engine.device().allocate(DType.F32, Shape.of(dims));
        float[] values = new float[(int) tensor.numel()];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (random.nextGaussian() * 0.3);
        }
        tensor.upload(values);
        return tensor;
    }

    private static List<int[]> generated(ModelSession session, AdapterStack adapters, GenerationOptions options, BatchOptions batch,
        List<BatchGenerator.Request> requests) {
        int[][] answers = new int[requests.size()][];
        try (BatchGenerator generator = new BatchGenerator(session, adapters, options, batch)) {
            generator.run(requests.iterator(), result -> {
                assertThat(answers[(int) result.request().number()]).as("an answer is given out once").isNull();
                answers[(int) result.request().number()] = result.newIds();
                assertThat(result.stopped()).isEqualTo(options.stopIds().contains(result.newIds()[result.newIds().length - 1]));
            });
        }
        return Arrays.asList(answers);
    }

    @ParameterizedTest
    @CsvSource({"cpu, F32, 66, 1", "cpu, BF16, 12, 1", "'cpu:isa=avx2,matmul=own', BF16, 12, 1", "emulator, F32, 3, 0"})
    void answersAreTheSameWhateverTheBatch(String backend, DType dtype, int count, int threads) {
        List<BatchGenerator.Request> requests = requests(count);
        int rows = Math.min(5, count - 1);
        // Sequences end at many different steps.
        Set<Integer> stops = IntStream.range(20, 40).boxed().collect(Collectors.toSet());
        try (Engine engine = Backends.open(backend, threads);
             CausalModel model = new CausalModel(engine, ModelWeights.random(CONFIG, engine, dtype, 3), false);
             ModelSession session = ModelSession.open(model); Tensor a = drawn(engine, 1, 3, 24); Tensor b = drawn(engine, 2, 24, 3)) {
            AdapterStack adapter = AdapterStack.of(Map.of(new ModuleKey(1, Projection.Q_PROJ), new LowRankAdapter(a, b, 0.5f)));
            GenerationOptions options = new GenerationOptions(backend.equals("cpu") ? 6 : 4, 1.3, 40, 0.95, 11, stops);
            List<int[]> alone = generated(session, adapter, options, new BatchOptions(1, rows, 24), requests);
            assertThat(alone.stream().mapToInt(ids -> ids.length).distinct().count()).isGreaterThan(1);
            for (int batch : new int[] {8, 64}) {
                assertThat(generated(session, adapter, options, new BatchOptions(batch, rows, 24), requests)).as("batch of " + batch)
                    .containsExactlyElementsOf(alone);
            }
        }
    }

    /** Prompts that begin alike, two adapters and the model as it is, greedy and sampled, read in chunks of four. */
    private record Mixed(int[] prompt, AdapterStack adapters, GenerationOptions options) {
    }

    private static List<Mixed> mixed(List<AdapterStack> adapters) {
        SplittableRandom random = new SplittableRandom(8);
        int[] opening = IntStream.range(0, 9).map(t -> 2 + random.nextInt(90)).toArray();
        return IntStream.range(0, 14).mapToObj(i -> {
            int[] own = IntStream.range(0, 1 + random.nextInt(6)).map(t -> 2 + random.nextInt(90)).toArray();
            int[] prompt = i % 3 == 2 ? own : IntStream.concat(Arrays.stream(opening), Arrays.stream(own)).toArray();
            GenerationOptions options = i % 2 == 0 ? GenerationOptions.greedy(3 + i % 4, Set.of(30))
                : new GenerationOptions(5, 0.5 + 0.1 * i, 20, 0.9, i, Set.of(31));
            return new Mixed(prompt, adapters.get(random.nextInt(adapters.size())), options);
        }).toList();
    }

    @ParameterizedTest
    @CsvSource({"F32", "BF16"})
    void mixedCompanyChunksAndSharedPrefixesChangeNoToken(DType dtype) {
        try (Engine engine = Backends.open("cpu", 1);
             CausalModel model = new CausalModel(engine, ModelWeights.random(CONFIG, engine, dtype, 3), false);
             ModelSession session = ModelSession.open(model); Tensor a = drawn(engine, 1, 3, 24); Tensor b = drawn(engine, 2, 24, 3)) {
            List<AdapterStack> adapters = Stream.of(0.5f, -0.7f)
                .map(scale -> AdapterStack.of(Map.of(new ModuleKey(1, Projection.Q_PROJ), new LowRankAdapter(a, b, scale))))
                .collect(Collectors.toCollection(ArrayList::new));
            adapters.add(AdapterStack.none());
            List<Mixed> all = mixed(adapters);
            List<int[]> alone = new ArrayList<>();
            for (Mixed one : all) {
                try (BatchDecoder decoder = new BatchDecoder(session, new BatchOptions(1, 3, 24), 4, null, null, Graphs.AUTO)) {
                    BatchDecoder.Sequence sequence = decoder.add(one.prompt(), one.adapters(), one.options(), 0);
                    assertThat(sequence.sharedTokens()).isZero();
                    while (!sequence.ended()) {
                        if (sequence.awaitsPrompt()) {
                            decoder.read(sequence);
                        }
                        decoder.step();
                    }
                    alone.add(sequence.tokens());
                }
            }
            // One alone, as many places as a step has rows, and more.
            for (int places : new int[] {1, 3, 5}) {
                assertTogether(session, all, alone, places);
            }
        }
    }

    /** One after another joins, one chunk of one prompt is read between two steps, and every fourth leaves early and comes again. */
    private static void assertTogether(ModelSession session, List<Mixed> all, List<int[]> alone, int places) {
        int shared = 0;
        try (BatchDecoder decoder = new BatchDecoder(session, new BatchOptions(places, 3, 24), 4, null, null, Graphs.AUTO)) {
            BatchDecoder.Sequence[] sequences = new BatchDecoder.Sequence[all.size()];
            boolean[] left = new boolean[sequences.length];
            int next = 0;
            while (next < sequences.length || decoder.size() > 0) {
                if (decoder.hasRoom() && next < sequences.length) {
                    Mixed one = all.get(next);
                    sequences[next] = decoder.add(one.prompt(), one.adapters(), one.options(), 0);
                    shared += sequences[next++].sharedTokens();
                }
                Arrays.stream(sequences).filter(s -> s != null && s.awaitsPrompt()).findFirst().ifPresent(decoder::read);
                decoder.step();
                int last = next - 1;
                if (last % 4 == 3 && !left[last] && sequences[last].count() == 1) {
                    left[last] = true;
                    decoder.leave(sequences[last]);
                    next = last;
                }
            }
            for (int i = 0; i < sequences.length; i++) {
                assertThat(sequences[i].tokens()).as("sequence %d of %d places", i, places).isEqualTo(alone.get(i));
            }
        }
        assertThat(shared).as("tokens that were not read again, of %d places", places).isPositive();
    }

    /** The same model, the same random numbers: only the order of sums differs. */
    @Test
    void answersAreThoseOfTheGeneratorOfOneList() {
        List<BatchGenerator.Request> requests = requests(6);
        try (Engine engine = Backends.open("cpu");
             CausalModel model = new CausalModel(engine, ModelWeights.random(CONFIG, engine, DType.F32, 3), false);
             ModelSession session = ModelSession.open(model)) {
            GenerationOptions options = new GenerationOptions(9, 1.3, 40, 0.95, 11, Set.of());
            List<int[]> prompts = requests.stream().map(BatchGenerator.Request::promptIds).toList();
            assertThat(generated(session, AdapterStack.none(), options, new BatchOptions(2, 5, 24), requests))
                .containsExactlyElementsOf(new Generator(session, AdapterStack.none()).generate(prompts, options, null));
        }
    }

    @Test
    void aPromptThatHasNoRoomIsASentence() {
        try (Engine engine = Backends.open("cpu");
             CausalModel model = new CausalModel(engine, ModelWeights.random(CONFIG, engine, DType.F32, 3), false);
             ModelSession session = ModelSession.open(model);
             BatchGenerator generator = new BatchGenerator(session, AdapterStack.none(), GenerationOptions.greedy(9, Set.of()),
                 new BatchOptions(1, 5, 12))) {
            List<BatchGenerator.Result> none = new ArrayList<>(generator.step());
            assertThat(none).isEmpty();
            assertThatThrownBy(() -> generator.add(new BatchGenerator.Request(0, new int[4]))).isInstanceOf(InputException.class)
                .hasMessageContaining("4 tokens").hasMessageContaining("room of 12");
            assertThatThrownBy(() -> generator.add(new BatchGenerator.Request(0, new int[0]))).isInstanceOf(InputException.class);
            generator.add(new BatchGenerator.Request(0, new int[] {2}));
            assertThatThrownBy(() -> generator.add(new BatchGenerator.Request(1, new int[] {2}))).isInstanceOf(IllegalStateException.class);
        }
    }
}
