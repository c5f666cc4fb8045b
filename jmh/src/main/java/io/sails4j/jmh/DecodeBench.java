package io.sails4j.jmh;

import io.sails4j.config.ModelConfig;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.BatchDecoder;
import io.sails4j.model.BatchOptions;
import io.sails4j.model.CausalModel;
import io.sails4j.model.DecodeRequest;
import io.sails4j.model.GenerationOptions;
import io.sails4j.model.ModelSession;
import io.sails4j.model.ModelWeights;
import io.sails4j.ops.Graphs;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/** A decoded token of one sequence: all weights are read once. */
public class DecodeBench extends OnDevice {
    private static final int PROMPT_TOKENS = 64;
    private static final int STEPS = 8;

    @Param("2b-layer")
    public String shape;

    @Param("2")
    public int layers;

    @Param("16384")
    public int vocabulary;

    private CausalModel model;
    private ModelSession session;
    private BatchDecoder decoder;
    private BatchDecoder.Sequence sequence;

    @Override
    void prepare() {
        ModelConfig config = Shapes.layer(shape).withLayers(layers).withVocabulary(vocabulary);
        model = new CausalModel(engine, ModelWeights.random(config, engine, dtype, 1), false);
        session = ModelSession.open(model);
        begin();
        steps();
        int[] decoded = sequence.tokens();
        decoder.close();
        if (decoded.length <= STEPS || IntStream.of(decoded).anyMatch(token -> token < 0 || token >= vocabulary)) {
            throw new IllegalStateException(decoded.length + " tokens were decoded, expected more than " + STEPS + " of the vocabulary");
        }
    }

    /** The prompt is read before the measurement. */
    @Setup(Level.Invocation)
    public void begin() {
        int[] prompt = new SplittableRandom(1).ints(PROMPT_TOKENS, 0, vocabulary).toArray();
        decoder = new BatchDecoder(session, new BatchOptions(1, 1, PROMPT_TOKENS + STEPS + 2), PROMPT_TOKENS, null, null, Graphs.AUTO);
        sequence = decoder.add(new DecodeRequest(prompt, AdapterStack.none(), GenerationOptions.greedy(STEPS + 2, Set.of()), 0));
        decoder.read(sequence);
        decoder.step();
    }

    @TearDown(Level.Invocation)
    public void end() {
        decoder.close();
    }

    @Override
    void release() {
        session.close();
        model.close();
    }

    @Benchmark
    @OperationsPerInvocation(STEPS)
    public BatchDecoder.Sequence steps() {
        for (int i = 0; i < STEPS; i++) {
            decoder.step();
        }
        return sequence;
    }
}
