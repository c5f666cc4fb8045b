package io.sails4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import io.sails4j.config.ModelConfig;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.tensor.DType;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Generation on a small random model; its numbers are held against the reference in the parity suite. */
class GeneratorTest {
    private Engine engine;
    private CausalModel model;
    private ModelSession session;

    @BeforeEach
    void open() {
        ModelConfig config = ModelConfig.gemma2().vocabSize(97).dModel(24).layers(3).heads(4, 2).headDim(6).dFf(40).slidingWindow(5)
            .maxPositionEmbeddings(128).checkpointDtype(DType.F32).build();
        engine = Engine.open(EngineOptions.defaults());
        model = new CausalModel(engine, ModelWeights.random(config, engine, DType.F32, 3), false);
        session = ModelSession.open(model);
    }

    @AfterEach
    void close() {
        session.close();
        model.close();
        engine.close();
    }

    /** The cache must give what a forward over the whole sequence gives, past the sliding window too. */
    @Test
    void cacheAgreesWithFullForward() {
        int[] prompt = {2, 11, 12, 13, 14, 15, 16};
        List<float[]> logits = new ArrayList<>();
        int[] fresh = new Generator(session, AdapterStack.none()).generate(prompt, GenerationOptions.greedy(9, Set.of()),
            (ids, row) -> logits.add(row.toFloatArray()));
        int[] all = IntStream.concat(Arrays.stream(prompt), Arrays.stream(fresh)).toArray();
        float[] full;
        try (ForwardPass pass = session.forward(TokenBatch.of(all), AdapterStack.none(), ForwardOptions.inference())) {
            full = session.logits(pass, null).toFloatArray();
        }
        for (int step = 0; step < fresh.length; step++) {
            for (int v = 0; v < 97; v++) {
                // f32 sums of some hundred terms, in another order.
                assertThat(logits.get(step)[v]).isCloseTo(full[(prompt.length - 1 + step) * 97 + v], Offset.offset(1e-4f));
            }
        }
    }

    @Test
    void batchGivesWhatEachPromptGivesAlone() {
        List<int[]> prompts = List.of(new int[] {2, 30}, new int[] {2, 40, 41, 42, 43, 44, 45, 46}, new int[] {2, 50, 51});
        GenerationOptions options = GenerationOptions.greedy(8, Set.of());
        Generator generator = new Generator(session, AdapterStack.none());
        List<int[]> together = generator.generate(prompts, options, null);
        for (int i = 0; i < prompts.size(); i++) {
            assertThat(together.get(i)).isEqualTo(generator.generate(prompts.get(i), options, null));
        }
    }

    @Test
    void samplingFollowsTheSeed() {
        Generator generator = new Generator(session, AdapterStack.none());
        int[] prompt = {2, 5, 6};
        int[] first = generator.generate(prompt, new GenerationOptions(12, 1.5, 0, 1, 7, Set.of()), null);
        assertThat(generator.generate(prompt, new GenerationOptions(12, 1.5, 0, 1, 7, Set.of()), null)).isEqualTo(first);
        assertThat(generator.generate(prompt, new GenerationOptions(12, 1.5, 0, 1, 8, Set.of()), null)).isNotEqualTo(first);
        // The most probable token alone is what greedy decoding takes.
        assertThat(generator.generate(prompt, new GenerationOptions(12, 1.5, 1, 1, 7, Set.of()), null))
            .isEqualTo(generator.generate(prompt, GenerationOptions.greedy(12, Set.of()), null));
    }

    @Test
    void stopTokenEndsASequence() {
        Generator generator = new Generator(session, AdapterStack.none());
        int[] prompt = {2, 5, 6};
        int[] free = generator.generate(prompt, GenerationOptions.greedy(6, Set.of()), null);
        int[] stopped = generator.generate(prompt, GenerationOptions.greedy(6, Set.of(free[0])), null);
        assertThat(stopped).containsExactly(free[0]);
    }

    @Test
    void memoryDoesNotGrowFromStepToStep() {
        TokenBatch batch = TokenBatch.of(new int[] {2, 3, 4, 5, 6, 7});
        long before = 0;
        for (int i = 0; i < 6; i++) {
            session.forward(batch, AdapterStack.none(), ForwardOptions.training()).close();
            if (i == 1) {
                before = engine.device().allocatedBytes();
            }
        }
        assertThat(engine.device().allocatedBytes()).isEqualTo(before);
    }

    /** Of Java's heap: a call keeps its tensors and a list or two, and makes no sentence that nobody reads. */
    @Test
    void aTokenTakesLittleOfJavasHeap() {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        int tokens = 100;
        long least = Long.MAX_VALUE;
        for (int round = 0; round < 4; round++) {
            List<Long> before = new ArrayList<>();
            new Generator(session, AdapterStack.none()).generate(new int[] {2, 5, 6}, GenerationOptions.greedy(tokens + 10, Set.of()),
                Generator.StepListener.ofTokens(_ -> before.add(threads.getCurrentThreadAllocatedBytes())));
            least = Math.min(least, (before.getLast() - before.get(before.size() - 1 - tokens)) / tokens);
        }
        // Tests run by C1 alone, which leaves what C2 takes away.
        assertThat(least).as("bytes a token of three layers").isLessThan(4 * 4096);
    }
}
