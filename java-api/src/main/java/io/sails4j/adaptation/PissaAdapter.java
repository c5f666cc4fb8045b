package io.sails4j.adaptation;

import io.sails4j.align.AdapterOptions;
import io.sails4j.config.ModuleKey;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.lora.LoraConfig;
import io.sails4j.model.CausalModel;
import io.sails4j.model.LowRankAdapter;
import io.sails4j.tensor.TensorArena;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;

/**
 * PiSSA (arXiv:2404.02948): an adapter that starts as the principal part of each weight, lora_B lora_A = U_r S_r V_r^T / scale, over a
 * weight that has lost it. The weight itself stays as it is: the part that is taken out is a frozen second adapter, so that the model is
 * unchanged at the start.
 * What is written is the difference of the two, an ordinary adapter of twice the rank for the unchanged model
 * (huggingface/peft tuners/lora/model.py, subtract_mutated_init).
 */
final class PissaAdapter implements AutoCloseable {
    private final CausalModel model;
    private final LoraAdapter trained;
    private final LoraAdapter takenOut;

    PissaAdapter(CausalModel model, AdapterOptions options, long seed, String baseModel) {
        this.model = model;
        LoraConfig config = options.config(model.config(), baseModel);
        this.trained = LoraAdapter.create(config, model.config(), model.engine().device());
        this.takenOut = LoraAdapter.create(config, model.config(), model.engine().device());
        trained.modules().forEach((module, factors) -> start(module, factors, Objects.requireNonNull(takenOut.modules().get(module)),
            seed));
    }

    private void start(ModuleKey module, LowRankAdapter factors, LowRankAdapter fixed, long seed) {
        PrincipalFactors principal;
        try (TensorArena memory = new TensorArena(model.engine().device())) {
            principal = PrincipalFactors.of(model.weights().dense(module.path() + ".weight", memory), (int) factors.r(), seed,
                model.engine());
        }
        float[] a = principal.right(factors.scale());
        float[] b = principal.left(factors.scale());
        factors.loraA().upload(a);
        factors.loraB().upload(b);
        fixed.loraA().upload(a);
        for (int i = 0; i < b.length; i++) {
            b[i] = -b[i];
        }
        fixed.loraB().upload(b);
    }

    LoraAdapter trained() {
        return trained;
    }

    /** What the weights have lost, with its sign. */
    LoraAdapter takenOut() {
        return takenOut;
    }

    /** Writes the difference as an adapter of twice the rank. */
    void writeInto(Path directory) {
        try (LoraAdapter both = LoraAdapter.create(doubled(trained.config()), model.config(), model.engine().device())) {
            both.modules().forEach((module, sum) -> {
                LowRankAdapter one = Objects.requireNonNull(trained.modules().get(module));
                LowRankAdapter two = Objects.requireNonNull(takenOut.modules().get(module));
                sum.loraA().rows(0, one.r()).copyFrom(one.loraA());
                sum.loraA().rows(one.r(), one.r()).copyFrom(two.loraA());
                sum.loraB().upload(beside(one.loraB().toFloatArray(), two.loraB().toFloatArray(), (int) one.r()));
            });
            both.writeInto(directory);
        }
    }

    /** The same scale at twice the rank: alpha / r wants twice the alpha, alpha / sqrt(r) the root of two. */
    private static LoraConfig doubled(LoraConfig config) {
        double factor = config.rsLora() ? Math.sqrt(2) : 2;
        Map<ModuleKey, Integer> ranks = new HashMap<>();
        Map<ModuleKey, Double> alphas = new HashMap<>();
        config.rankPattern().forEach((module, r) -> ranks.put(module, 2 * r));
        config.alphaPattern().forEach((module, alpha) -> alphas.put(module, factor * alpha));
        return new LoraConfig(2 * config.r(), factor * config.alpha(), config.rsLora(), false, config.modules(), ranks, alphas,
            config.baseModel());
    }

    /** The columns of both, [rows, 2 r]. */
    private static float[] beside(float[] left, float[] right, int r) {
        float[] out = new float[left.length + right.length];
        for (int i = 0; i < left.length / r; i++) {
            System.arraycopy(left, i * r, out, 2 * i * r, r);
            System.arraycopy(right, i * r, out, 2 * i * r + r, r);
        }
        return out;
    }

    @Override
    public void close() {
        trained.close();
        takenOut.close();
    }
}
