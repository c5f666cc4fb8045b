package io.sails4j.jmh;

import io.sails4j.align.AdapterOptions;
import io.sails4j.config.ModelConfig;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ForwardPass;
import io.sails4j.model.LowRankGradient;
import io.sails4j.model.ModelSession;
import io.sails4j.model.ModelWeights;
import io.sails4j.model.RecomputePlan;
import io.sails4j.model.TokenBatch;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.trainable.LoraTrainable;
import java.util.SplittableRandom;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** One layer with frozen weights and rank-16 adapters on q, k, v and o, with the embedding's gather and the final norm. */
public class LayerBench extends OnDevice {
    private static final int RANK = 16;
    private static final int VOCABULARY = 1024;

    @Param("2b-layer")
    public String shape;

    private CausalModel model;
    private ModelSession session;
    private LoraAdapter adapter;
    private LoraTrainable trainable;
    private AdapterStack adapters;
    private TokenBatch batch;
    private Tensor dHidden;
    private ForwardPass kept;

    @Override
    void prepare() {
        ModelConfig config = Shapes.layer(shape).withLayers(1).withVocabulary(VOCABULARY);
        model = new CausalModel(engine, ModelWeights.random(config, engine, dtype, 1), false);
        session = ModelSession.open(model);
        adapter = LoraAdapter.create(AdapterOptions.ofAttention(RANK).config(config, "bench"), config, engine.device());
        adapter.modules().values().forEach(factors -> {
            fill(factors.loraA());
            fill(factors.loraB());
        });
        trainable = new LoraTrainable(adapter, engine.device());
        adapters = trainable.adapters();
        batch = TokenBatch.of(new SplittableRandom(2).ints(tokens, 0, VOCABULARY).toArray());
        dHidden = random(DType.F32, tokens, config.dModel());
        kept = pass();
        requireFinite("the final norm", kept.finalNorm());
        check();
    }

    /** Factors as they are after some steps; a new adapter's are zero. */
    private void fill(Tensor factor) {
        SplittableRandom random = new SplittableRandom(3);
        float[] values = new float[Math.toIntExact(factor.numel())];
        for (int i = 0; i < values.length; i++) {
            values[i] = random.nextInt() * 0x1p-36f;
        }
        factor.upload(values);
    }

    /** The same pass can go down again and again: the second time adds the same gradients to the first ones. */
    private void check() {
        backward();
        double once = gradients();
        backward();
        if (!(once > 0)) {
            throw new IllegalStateException("the gradients have the length " + once + ": what is timed computes nothing");
        }
        require("the gradients of two backward passes", gradients(), 2 * once, 0);
    }

    /** The length of all gradients together. */
    private double gradients() {
        double sum = 0;
        for (LowRankGradient gradient : trainable.targets().lora().values()) {
            for (float value : gradient.dLoraB().toFloatArray()) {
                sum += (double) value * value;
            }
        }
        return Math.sqrt(sum);
    }

    private ForwardPass pass() {
        return session.forward(batch, adapters, ForwardOptions.training(RecomputePlan.none(), true));
    }

    @Override
    void release() {
        kept.close();
        trainable.close();
        adapter.close();
        session.close();
        model.close();
    }

    @Benchmark
    public void forward() {
        pass().close();
        await();
    }

    @Benchmark
    public void backward() {
        session.backward(kept, dHidden, trainable.targets());
        await();
    }
}
