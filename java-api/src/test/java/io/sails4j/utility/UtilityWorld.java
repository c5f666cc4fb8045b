package io.sails4j.utility;

import io.sails4j.data.Tokenizer;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelSession;
import io.sails4j.model.ModelWeights;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.testing.Backends;
import io.sails4j.testing.LlamaOracle;
import io.sails4j.testing.TinyModel;
import io.sails4j.testing.TinyTokenizer;
import java.nio.file.Path;

/** A small Llama with a tokenizer in which " A" to " D" are tokens, and its oracle. */
final class UtilityWorld implements AutoCloseable {
    final Tokenizer tokenizer;
    final Engine engine;
    final CausalModel model;
    final ModelSession session;
    final TokenLosses losses;
    final LlamaOracle oracle;

    UtilityWorld(Path directory) {
        int tokens = TinyTokenizer.write(directory, "ABCDabcdefghijklmnopqrstuvwxyz.?:\n▁", "▁A", "▁B", "▁C", "▁D", "th", "on");
        tokenizer = Tokenizer.load(directory);
        engine = Backends.open("cpu", 1);
        model = open(tokens, 7);
        session = ModelSession.open(model);
        losses = new TokenLosses(session, AdapterStack.none());
        oracle = LlamaOracle.of(model);
    }

    CausalModel open(int tokens, long seed) {
        return new CausalModel(engine, ModelWeights.random(TinyModel.LLAMA.toBuilder().vocabSize(tokens).build(), engine, DType.F32, seed),
            false);
    }

    /** Sum of ln p of the tokens from a place on. */
    double logLikelihood(int[] ids, int from) {
        double[][] logits = oracle.logits(ids);
        double sum = 0;
        for (int i = from; i < ids.length; i++) {
            sum += LlamaOracle.logSoftmax(logits[i - 1])[ids[i]];
        }
        return sum;
    }

    @Override
    public void close() {
        losses.close();
        session.close();
        model.close();
        engine.close();
        tokenizer.close();
    }
}
