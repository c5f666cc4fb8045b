package io.sails4j.bench;

import io.sails4j.align.AdapterOptions;
import io.sails4j.config.ModelConfig;
import io.sails4j.loop.TrainingFlops;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ForwardPass;
import io.sails4j.model.ModelSession;
import io.sails4j.model.ModelWeights;
import io.sails4j.model.RecomputePlan;
import io.sails4j.model.TokenBatch;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import io.sails4j.trainable.LoraTrainable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * A transformer layer with frozen weights and rank-16 adapters on q, k, v and o, forward and backward: the mean of a few layers, local and
 * global in turn, without the head. The embedding's gather and the final norm are in it.
 */
final class LayerBench {
    private static final int LAYERS = 4;
    private static final int VOCABULARY = 1024;
    private static final int RANK = 16;

    private final BenchSize size;

    LayerBench(BenchSize size) {
        this.size = size;
    }

    /** @param layers whose mean is taken, four at most; 0 = four */
    List<Job> jobs(DType dtype, int layers) {
        List<Job> jobs = new ArrayList<>();
        for (BenchSize.Model model : size.models()) {
            int few = Math.min(layers == 0 ? LAYERS : Math.min(LAYERS, layers), model.config().nLayers());
            ModelConfig config = model.config().withLayers(few).withVocabulary(VOCABULARY);
            jobs.add(new Job("layer", model.name(), 2,
                (engine, listener) -> run(engine, model.name(), config, dtype, size.lengths().getLast(), listener)));
        }
        return jobs;
    }

    private void run(Engine engine, String name, ModelConfig config, DType dtype, int length, BenchListener listener) {
        int batch = Math.max(1, size.tokens() / length);
        SplittableRandom random = new SplittableRandom(3);
        int[] visible = new int[batch * length];
        Arrays.fill(visible, 1);
        TokenBatch tokens = TokenBatch.of(batch, length, random.ints(visible.length, 0, VOCABULARY).toArray(), visible);
        try (CausalModel model = new CausalModel(engine, ModelWeights.random(config, engine, dtype, 1), false);
             ModelSession session = ModelSession.open(model);
             LoraAdapter adapter = LoraAdapter.create(AdapterOptions.ofAttention(RANK).config(config, "bench"), config, engine.device());
             LoraTrainable trainable = new LoraTrainable(adapter, engine.device());
             TensorArena memory = new TensorArena(engine.device())) {
            float[] values = new float[Math.toIntExact(tokens.size() * config.dModel())];
            for (int i = 0; i < values.length; i++) {
                values[i] = (float) random.nextDouble(-1e-3, 1e-3);
            }
            Tensor dHidden = memory.of(values, tokens.size(), config.dModel());
            AdapterStack adapters = trainable.adapters();
            ForwardOptions options = ForwardOptions.training(RecomputePlan.none(), true);
            Timer timer = new Timer(engine, size.timing());
            Times forward = timer.secondsUnrecorded(() -> session.forward(tokens, adapters, options).close());
            Times both = timer.secondsUnrecorded(() -> {
                try (ForwardPass pass = session.forward(tokens, adapters, options)) {
                    session.backward(pass, dHidden, trainable.targets());
                }
            });
            double n = tokens.size();
            double linear = n * TrainingFlops.linear(config);
            double attention = n * TrainingFlops.attention(config, length);
            String shape = name + ", " + batch + " x " + length + ", LoRA r " + RANK;
            listener.measured(line("forward", shape, config, dtype, forward, linear + attention));
            listener.measured(line("forward + backward", shape, config, dtype, both, 2 * linear + 3.5 * attention));
        }
    }

    private BenchResult line(String pass, String shape, ModelConfig config, DType dtype, Times all, double flops) {
        int layers = config.nLayers();
        double bytes = (double) (config.parameterCount() - config.vocabSize() * config.dModel()) * dtype.byteSize() / layers;
        Times times = all.dividedBy(layers);
        return new BenchResult("layer", pass, shape, dtype, times, flops / layers, bytes, 0,
            Map.of());
    }
}
