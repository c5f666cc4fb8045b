package io.sails4j.backends;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.config.ModuleKey;
import io.sails4j.config.Projection;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.BatchDecoder;
import io.sails4j.model.BatchOptions;
import io.sails4j.model.CacheUse;
import io.sails4j.model.CausalModel;
import io.sails4j.model.DecodeRequest;
import io.sails4j.model.DoraScale;
import io.sails4j.model.GenerationOptions;
import io.sails4j.model.LowRankAdapter;
import io.sails4j.model.ModelSession;
import io.sails4j.model.ModelWeights;
import io.sails4j.model.StreamEdit;
import io.sails4j.ops.Engine;
import io.sails4j.ops.Graphs;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import io.sails4j.testing.Backends;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Keys and values in pages that sequences share, and adapters of the rows' own: neither changes a token, and no page is lost. */
class PagedDecodingTest {
    private static final int WIDTH = 24;
    private static final int ROOM = 64;
    private static final int ROWS = 3;
    /** Prefixes are shared in whole chunks: some end within a page. */
    private static final int CHUNK = 11;
    private static final ModelConfig CONFIG = ModelConfig.gemma2().vocabSize(97).dModel(WIDTH).layers(2).heads(4, 2).headDim(6).dFf(40)
        .slidingWindow(21).maxPositionEmbeddings(128).checkpointDtype(DType.F32).build();

    private static Tensor drawn(TensorArena memory, long seed, long... dims) {
        SplittableRandom random = new SplittableRandom(seed);
        float[] values = new float[(int) Arrays.stream(dims).reduce(1, (a, b) -> a * b)];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (random.nextGaussian() * 0.3);
        }
        return memory.of(values, dims);
    }

    private static LowRankAdapter lora(TensorArena memory, long seed, int r, int dOut, int dIn) {
        return new LowRankAdapter(drawn(memory, seed, r, dIn), drawn(memory, seed + 1, dOut, r), 0.7f);
    }

    /** The model as it is, three adapters of different modules and ranks, two of them together, and one with DoRA. */
    private static List<AdapterStack> adapters(TensorArena memory) {
        Map<ModuleKey, LowRankAdapter> attention = Map.of(new ModuleKey(0, Projection.Q_PROJ), lora(memory, 1, 3, 24, WIDTH),
            new ModuleKey(1, Projection.V_PROJ), lora(memory, 3, 3, 12, WIDTH));
        Map<ModuleKey, LowRankAdapter> gated = Map.of(new ModuleKey(0, Projection.GATE_PROJ), lora(memory, 5, 2, 40, WIDTH),
            new ModuleKey(1, Projection.DOWN_PROJ), lora(memory, 7, 5, WIDTH, 40));
        Map<ModuleKey, LowRankAdapter> query = Map.of(new ModuleKey(0, Projection.Q_PROJ), lora(memory, 9, 1, 24, WIDTH));
        LowRankAdapter plain = lora(memory, 11, 2, 24, WIDTH);
        LowRankAdapter dora = new LowRankAdapter(plain.loraA(), plain.loraB(), plain.scale(),
            new DoraScale(drawn(memory, 13, 24), drawn(memory, 14, 24)));
        return List.of(AdapterStack.none(), AdapterStack.of(attention), AdapterStack.of(gated), AdapterStack.of(query),
            new AdapterStack(List.of(attention, query)), AdapterStack.of(Map.of(new ModuleKey(1, Projection.Q_PROJ), dora)));
    }

    /** Prompts of up to three pages, of which most begin alike in one page and a part of the next. */
    private static List<DecodeRequest> requests(List<AdapterStack> adapters, int count) {
        SplittableRandom random = new SplittableRandom(8);
        int[] opening = IntStream.range(0, 24).map(_ -> 2 + random.nextInt(90)).toArray();
        return IntStream.range(0, count).mapToObj(i -> {
            int[] own = IntStream.range(0, 1 + random.nextInt(20)).map(_ -> 2 + random.nextInt(90)).toArray();
            int[] prompt = i % 4 == 2 ? own : IntStream.concat(Arrays.stream(opening), Arrays.stream(own)).toArray();
            // Two neighbours have the same adapters, so that they share, and three the others.
            AdapterStack stack = adapters.get(i / 2 % adapters.size());
            return new DecodeRequest(prompt, stack, i % 3 == 0 ? new GenerationOptions(6, 1.1, 20, 0.9, i, Set.of())
                : GenerationOptions.greedy(2 + i % 7, Set.of()), 0);
        }).toList();
    }

    private static BatchDecoder decoder(ModelSession session, BatchOptions options) {
        return new BatchDecoder(session, options, CHUNK, null, null, Graphs.AUTO);
    }

    private static int[] alone(ModelSession session, DecodeRequest request) {
        try (BatchDecoder decoder = decoder(session, new BatchOptions(1, ROWS, ROOM))) {
            BatchDecoder.Sequence sequence = decoder.add(request);
            assertThat(sequence.sharedTokens()).isZero();
            while (!sequence.ended()) {
                if (sequence.awaitsPrompt()) {
                    decoder.read(sequence);
                }
                decoder.step();
            }
            return sequence.tokens();
        }
    }

    @ParameterizedTest
    @CsvSource({"cpu, F32, 24, 9", "cpu, BF16, 24, 20", "'cpu:isa=avx2,matmul=own', BF16, 12, 9", "emulator, BF16, 4, 20"})
    void sharedPagesSmallMemoryAndMixedAdaptersChangeNoToken(String backend, DType dtype, int count, int pages) {
        try (Engine engine = Backends.open(backend, backend.startsWith("emulator") ? 0 : 1);
             TensorArena memory = new TensorArena(engine.device());
             CausalModel model = new CausalModel(engine, ModelWeights.random(CONFIG, engine, dtype, 3), false);
             ModelSession session = ModelSession.open(model)) {
            List<DecodeRequest> requests = requests(adapters(memory), count);
            List<int[]> alone = requests.stream().map(request -> alone(session, request)).toList();
            // With 20 pages there is room for five sequences at their longest; with 9 for two.
            try (BatchDecoder decoder = decoder(session, new BatchOptions(5, ROWS, ROOM, pages))) {
                Together together = new Together(decoder, requests);
                together.run();
                assertThat(together.tokens).containsExactlyElementsOf(alone);
                assertThat(together.shared).isPositive();
                assertThat(together.waited).as("a sequence waited for memory").isEqualTo(pages < 20);
                assertThat(together.mostAtOnce).isGreaterThan(1);
                CacheUse use = decoder.cacheUse();
                assertThat(use.used()).as("pages that are lost").isZero();
                assertThat(use.held()).isPositive();
                assertThat(use.allocated()).as("memory grew behind its first pages").isGreaterThan(4);
            }
        }
    }

    /** Requests come one a step where there is room; every fourth leaves at its first token, or before, and comes again. */
    private static final class Together {
        private final BatchDecoder decoder;
        private final List<DecodeRequest> requests;
        private final List<int[]> tokens = new ArrayList<>();
        private int shared;
        private int mostAtOnce;
        private boolean waited;

        Together(BatchDecoder decoder, List<DecodeRequest> requests) {
            this.decoder = decoder;
            this.requests = requests;
        }

        void run() {
            Deque<Integer> waiting = new ArrayDeque<>(IntStream.range(0, requests.size()).boxed().toList());
            Map<Integer, BatchDecoder.Sequence> sequences = new LinkedHashMap<>();
            Set<Integer> cancelled = new HashSet<>();
            while (!waiting.isEmpty() || decoder.size() > 0) {
                if (!waiting.isEmpty() && decoder.hasRoom(requests.get(waiting.peekFirst()))) {
                    int next = waiting.removeFirst();
                    sequences.put(next, decoder.add(requests.get(next)));
                    shared += sequences.get(next).sharedTokens();
                } else {
                    waited |= !waiting.isEmpty() && decoder.size() < 5;
                }
                sequences.values().stream().filter(BatchDecoder.Sequence::awaitsPrompt).findFirst().ifPresent(decoder::read);
                decoder.step();
                mostAtOnce = Math.max(mostAtOnce, decoder.size());
                CacheUse use = decoder.cacheUse();
                assertThat(use.used()).isLessThanOrEqualTo(use.held());
                assertThat(use.held()).isLessThanOrEqualTo(use.allocated());
                assertThat(use.allocated()).isLessThanOrEqualTo(use.most());
                sequences.forEach((i, sequence) -> {
                    if (i % 4 == 3 && sequence.count() == (i % 8 == 3 ? 0 : 1) && !sequence.ended() && cancelled.add(i)) {
                        decoder.leave(sequence);
                        decoder.leave(sequence);
                        waiting.addLast(i);
                    }
                });
            }
            IntStream.range(0, requests.size()).forEach(i -> tokens.add(sequences.get(i).tokens()));
        }
    }

    @Test
    void noPageIsLostWhereReadingOrAStepBreaks() {
        boolean[] breaks = {false};
        StreamEdit edit = (_, layer, _, _) -> {
            if (breaks[0] && layer == 1) {
                throw new IllegalStateException("broken");
            }
        };
        try (Engine engine = Backends.open("cpu", 1);
             CausalModel model = new CausalModel(engine, ModelWeights.random(CONFIG, engine, DType.F32, 3), false);
             ModelSession session = ModelSession.open(model);
             BatchDecoder decoder = new BatchDecoder(session, new BatchOptions(2, 2, ROOM, 4), 16, edit, null, Graphs.OFF)) {
            DecodeRequest request = new DecodeRequest(new int[20], AdapterStack.none(), GenerationOptions.greedy(40, Set.of()), 0);
            List<BatchDecoder.Sequence> steady = new ArrayList<>();
            for (int breaksAt = 0; breaksAt < 4; breaksAt++) {
                BatchDecoder.Sequence sequence = decoder.add(request);
                assertThat(decoder.hasRoom(request)).as("all four pages are promised").isFalse();
                assertThatThrownBy(() -> decoder.add(request)).isInstanceOf(IllegalStateException.class);
                for (int at = 0; at < breaksAt; at++) {
                    advance(decoder, sequence);
                }
                breaks[0] = true;
                assertThatThrownBy(() -> advance(decoder, sequence)).hasMessage("broken");
                breaks[0] = false;
                decoder.leave(sequence);
                assertThat(decoder.cacheUse().used()).isZero();
                steady.add(sequence);
            }
            assertThat(steady).extracting(BatchDecoder.Sequence::sharedTokens).containsExactly(0, 0, 16, 16);
        }
    }

    private static void advance(BatchDecoder decoder, BatchDecoder.Sequence sequence) {
        if (sequence.awaitsPrompt()) {
            decoder.read(sequence);
        } else {
            decoder.step();
        }
    }

    @Test
    void whatNeverFitsIsRefusedInASentence() {
        BatchOptions options = new BatchOptions(4, 2, 64, 2);
        options.requireFits(new int[20], GenerationOptions.greedy(12, Set.of()));
        assertThatThrownBy(() -> options.requireFits(new int[20], GenerationOptions.greedy(13, Set.of())))
            .isInstanceOf(InputException.class)
            .hasMessageContaining("20 tokens and 13 new ones").hasMessageContaining("32 tokens of all sequences together");
        assertThatThrownBy(() -> new BatchOptions(4, 2, 64, 0)).isInstanceOf(InputException.class);
    }
}
