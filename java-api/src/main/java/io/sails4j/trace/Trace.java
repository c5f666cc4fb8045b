package io.sails4j.trace;

import io.sails4j.InputException;
import io.sails4j.config.ModuleKey;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ForwardPass;
import io.sails4j.model.GradientTargets;
import io.sails4j.model.Labels;
import io.sails4j.model.LowRankAdapter;
import io.sails4j.model.LowRankGradient;
import io.sails4j.model.ModelSession;
import io.sails4j.model.ModelWeights;
import io.sails4j.model.TensorListener;
import io.sails4j.model.TokenBatch;
import io.sails4j.ops.Ops;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.lang.foreign.Arena;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.TreeMap;

/**
 * Everything that a model computes on one batch, by name: {@code hidden.embed}, {@code hidden.layer.N}, {@code hidden.mid.N},
 * {@code attn_out.N}, {@code mlp_out.N}, {@code hidden.final_norm} [B, T, d_model], {@code logits} [B, T, vocab_size],
 * {@code token_loss} [B, T], {@code mean_loss} [1], and gradients of mean_loss: {@code grad.hidden.*}, {@code grad.logits},
 * {@code grad.<parameter>}, {@code grad.<module>.lora_A.weight}. All F32; whole logits are held, so this is for short batches.
 */
public final class Trace {
    /** Which gradients. */
    public enum Gradients {
        NONE, HIDDEN, LORA, ALL
    }

    private final CausalModel model;
    private final AdapterStack adapters;
    private final SequencedMap<String, HostTensor> results = new LinkedHashMap<>();
    private final TokenBatch batch;

    private Trace(CausalModel model, AdapterStack adapters, TokenBatch batch) {
        this.model = model;
        this.adapters = adapters;
        this.batch = batch;
    }

    /** Runs the batch. {@code LORA} is about the last adapter of the stack; {@code ALL} about every parameter of the model. */
    public static SequencedMap<String, HostTensor> run(CausalModel model, AdapterStack adapters, TokenBatch batch, Gradients gradients) {
        model.config().requirePositions("the number of positions that the batch needs is", batch.positions(),
            "use shorter sequences or smaller position_ids");
        if (gradients != Gradients.NONE && batch.targets() == null) {
            throw new InputException("gradients need 'labels' in the batch file; it has none");
        }
        if (gradients == Gradients.LORA && adapters.adapters().isEmpty()) {
            throw new InputException("gradients of LoRA factors need an adapter; name an adapter");
        }
        requireLabels(batch, model.config().vocabSize());
        Trace trace = new Trace(model, adapters, batch);
        trace.run(gradients);
        return trace.results;
    }

    private static void requireLabels(TokenBatch batch, long vocabSize) {
        int[] targets = batch.targets();
        if (targets != null) {
            for (int label : targets) {
                if (label >= vocabSize) {
                    throw new InputException("the batch has the label " + label + ", outside the model's vocabulary of " + vocabSize);
                }
            }
        }
    }

    private void run(Gradients gradients) {
        try (ModelSession session = ModelSession.open(model); TensorArena memory = new TensorArena(model.engine().device());
             ForwardPass pass = session.forward(batch, adapters,
                 new ForwardOptions(gradients != Gradients.NONE, -1, keepHidden("")))) {
            Tensor logits = session.logits(pass, null);
            keep("logits", logits, model.config().vocabSize());
            int[] targets = batch.targets();
            if (targets != null) {
                loss(session, pass, logits, targets, memory, gradients);
            }
        }
    }

    private TensorListener keepHidden(String prefix) {
        return (site, layer, value) -> keep(prefix + site.title(layer), value, model.config().dModel());
    }

    private void keep(String name, Tensor value, long width) {
        long batchSize = batch.batch();
        Shape shape = Shape.of(batchSize, batch.length(), width);
        results.put(name, new HostTensor(DType.F32, shape, toHost(value).data()));
    }

    /** Off the heap, because the logits of a few thousand tokens and the embedding's gradient are past the 2 GiB of a Java array. */
    private HostTensor toHost(Tensor value) {
        return ModelWeights.toHost(model.engine(), value, DType.F32, Arena.ofAuto());
    }

    private void loss(ModelSession session, ForwardPass pass, Tensor logits, int[] targets, TensorArena memory, Gradients gradients) {
        Ops ops = model.engine().ops();
        int n = batch.size();
        int counted = Labels.count(targets);
        if (counted == 0) {
            throw new InputException("the batch counts no token: every label after the first column is " + Labels.IGNORE_INDEX);
        }
        Tensor tokenLoss = memory.allocate(DType.F32, n);
        Tensor weight = memory.of(Labels.weights(targets, 1f / counted), n);
        Tensor targetIds = memory.of(targets, n);
        Tensor dLogits = gradients == Gradients.NONE ? null : memory.allocate(DType.F32, n, model.config().vocabSize());
        ops.head().crossEntropy(tokenLoss, dLogits, logits, targetIds, weight);
        float[] losses = tokenLoss.toFloatArray();
        results.put("token_loss", HostTensor.ofFloats(losses, batch.batch(), batch.length()));
        double sum = 0;
        for (float loss : losses) {
            sum += loss;
        }
        results.put("mean_loss", HostTensor.ofFloats(new float[] {(float) (sum / counted)}, 1));
        if (dLogits != null) {
            gradients(session, pass, logits, dLogits, memory, gradients);
        }
    }

    private void gradients(ModelSession session, ForwardPass pass, Tensor logits, Tensor dLogits, TensorArena memory, Gradients gradients) {
        Ops ops = model.engine().ops();
        if (gradients == Gradients.HIDDEN) {
            keep("grad.logits", dLogits, model.config().vocabSize());
        }
        if (model.config().finalLogitSoftcap() != 0) {
            ops.head().softcapBackward(dLogits, dLogits, logits, (float) model.config().finalLogitSoftcap());
        }
        Tensor typed = dLogits;
        if (model.computeDtype() != DType.F32) {
            typed = memory.allocate(model.computeDtype(), dLogits.shape().toArray());
            ops.elementwise().convert(typed, dLogits);
        }
        Tensor dFinalNorm = memory.allocate(DType.F32, batch.size(), model.config().dModel());
        ops.matmul().matmul(dFinalNorm, typed, model.weights().head(), false, false, 1, 0);
        switch (gradients) {
            case NONE -> throw new IllegalStateException("no gradients were asked for");
            case HIDDEN -> session.backward(pass, dFinalNorm, new GradientTargets(Map.of(), -1, Map.of(), keepHidden("grad.")));
            case LORA -> loraGradients(session, pass, dFinalNorm);
            case ALL -> parameterGradients(session, pass, typed, dFinalNorm);
        }
    }

    private void loraGradients(ModelSession session, ForwardPass pass, Tensor dFinalNorm) {
        int last = adapters.adapters().size() - 1;
        Device device = model.engine().device();
        Map<ModuleKey, LowRankGradient> gradients = new TreeMap<>();
        try {
            for (Map.Entry<ModuleKey, LowRankAdapter> entry : adapters.adapters().get(last).entrySet()) {
                gradients.put(entry.getKey(), new LowRankGradient(device.zeros(DType.F32, entry.getValue().loraA().shape()),
                    device.zeros(DType.F32, entry.getValue().loraB().shape()), entry.getValue().dora() == null ? null
                        : device.zeros(DType.F32, entry.getValue().dora().magnitude().shape())));
            }
            session.backward(pass, dFinalNorm, new GradientTargets(Map.of(), last, gradients, null));
            gradients.forEach((module, g) -> {
                results.put("grad." + module.path() + ".lora_A.weight", toHost(g.dLoraA()));
                results.put("grad." + module.path() + ".lora_B.weight", toHost(g.dLoraB()));
                if (g.dMagnitude() != null) {
                    results.put("grad." + module.path() + ".lora_magnitude_vector", toHost(g.dMagnitude()));
                }
            });
        } finally {
            gradients.values().forEach(g -> {
                g.dLoraA().close();
                g.dLoraB().close();
                if (g.dMagnitude() != null) {
                    g.dMagnitude().close();
                }
            });
        }
    }

    private void parameterGradients(ModelSession session, ForwardPass pass, Tensor dLogits, Tensor dFinalNorm) {
        Map<String, Tensor> gradients = new LinkedHashMap<>();
        try {
            ModelWeights.shapes(model.config())
                .forEach((name, shape) -> gradients.put(name, model.engine().device().zeros(DType.F32, shape)));
            model.engine().ops().matmul().matmul(Objects.requireNonNull(gradients.get(ModelWeights.headName(model.config()))), dLogits,
                pass.finalNorm(), true,
                false, 1, 1);
            session.backward(pass, dFinalNorm, GradientTargets.ofParameters(gradients));
            gradients.forEach((name, g) -> results.put("grad." + name, toHost(g)));
        } finally {
            gradients.values().forEach(Tensor::close);
        }
    }
}
