package io.sails4j.saetrain;

import io.sails4j.io.SafetensorsFile;
import io.sails4j.ops.AdamwOptions;
import io.sails4j.ops.Engine;
import io.sails4j.ops.OptimizerOps;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import io.sails4j.train.TrainingException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Objects;
import java.util.SequencedMap;

/** The trained tensors of one autoencoder, F32, with their gradients and AdamW's moments. */
final class SaeParameters implements AutoCloseable {
    static final String W_ENC = "W_enc";
    static final String W_DEC = "W_dec";
    static final String B_DEC = "b_dec";
    /** Of the pre-activations; for gated those of the gate. */
    static final String B_ENC = "b_enc";
    /** Logarithms of jumprelu's thresholds, so that none becomes negative (arXiv:2407.14435, its pseudo-code). */
    static final String LOG_THRESHOLD = "log_threshold";
    static final String B_MAG = "b_mag";
    static final String R_MAG = "r_mag";
    /** torch/nn/utils/clip_grad.py. */
    private static final double CLIP_EPS = 1e-6;

    private final Engine engine;
    private final SequencedMap<String, Parameter> parameters = new LinkedHashMap<>();
    private final Tensor rates;

    /** A tensor, its gradient and the moments of the gradient. */
    record Parameter(Tensor value, Tensor gradient, Tensor m, Tensor v) {
        List<Tensor> tensors() {
            return List.of(value, gradient, m, v);
        }
    }

    SaeParameters(Engine engine, SaeKind kind, int dIn, int width) {
        this.engine = engine;
        try {
            add(W_ENC, dIn, width);
            add(B_ENC, width);
            add(W_DEC, width, dIn);
            add(B_DEC, dIn);
            if (kind == SaeKind.JUMPRELU) {
                add(LOG_THRESHOLD, width);
            } else if (kind == SaeKind.GATED) {
                add(B_MAG, width);
                add(R_MAG, width);
            }
            this.rates = engine.device().allocate(DType.F32, Shape.of(OptimizerOps.ADAMW_RATES));
        } catch (RuntimeException | Error e) {
            free();
            throw e;
        }
    }

    private void add(String name, long... dims) {
        List<Tensor> tensors = new ArrayList<>();
        try {
            for (int i = 0; i < 4; i++) {
                tensors.add(engine.device().zeros(DType.F32, Shape.of(dims)));
            }
        } catch (RuntimeException | Error e) {
            tensors.forEach(Tensor::close);
            throw e;
        }
        parameters.put(name, new Parameter(tensors.get(0), tensors.get(1), tensors.get(2), tensors.get(3)));
    }

    Parameter get(String name) {
        return Objects.requireNonNull(parameters.get(name), name);
    }

    Tensor value(String name) {
        return get(name).value();
    }

    Tensor gradient(String name) {
        return get(name).gradient();
    }

    void zeroGradients() {
        parameters.values().forEach(p -> p.gradient().fillZero());
    }

    /**
     * One step of AdamW on gradients that were clipped together.
     *
     * @param step from 1
     * @return the norm of the gradients before that
     */
    double update(long step, AdamwOptions adamw, double maxGradNorm) {
        List<Tensor> gradients = parameters.values().stream().map(Parameter::gradient).toList();
        double sum = 0;
        for (double square : engine.ops().elementwise().sumOfSquares(gradients)) {
            sum += square;
        }
        double norm = Math.sqrt(sum);
        if (!Double.isFinite(norm)) {
            throw new TrainingException("training diverges: the gradient is not finite in step " + step + "; lower the learning rate");
        }
        double scale = maxGradNorm == 0 ? 1 : Math.min(1, maxGradNorm / (norm + CLIP_EPS));
        engine.ops().optimizer().adamwRates(rates, step, scale, adamw);
        List<Parameter> all = List.copyOf(parameters.values());
        engine.ops().optimizer().adamw(all.stream().map(Parameter::value).toList(), all.stream().map(Parameter::m).toList(),
            all.stream().map(Parameter::v).toList(), gradients, rates);
        return norm;
    }

    /** Puts the vectors of some features back to the start, and forgets the moments of all that is theirs. */
    void resetFeatures(boolean[] features, double threshold) {
        parameters.forEach((name, p) -> {
            if (!name.equals(B_DEC)) {
                List.of(p.m(), p.v()).forEach(moment -> set(moment, name.equals(W_DEC), features, 0));
                if (p.value().shape().rank() == 1) {
                    set(p.value(), false, features, name.equals(LOG_THRESHOLD) ? (float) Math.log(threshold) : 0);
                }
            }
        });
    }

    /** @param rows whether a feature has a row, and not a column */
    private static void set(Tensor tensor, boolean rows, boolean[] features, float value) {
        float[] all = tensor.toFloatArray();
        int width = features.length;
        int row = rows ? all.length / width : 1;
        for (int at = 0; at < all.length; at++) {
            if (features[at / row % width]) {
                all[at] = value;
            }
        }
        tensor.upload(all);
    }

    /** Everything that a run needs to go on. */
    void putState(SequencedMap<String, HostTensor> state, String prefix) {
        parameters.forEach((name, p) -> {
            state.put(prefix + name, p.value().toHost());
            state.put(prefix + "m." + name, p.m().toHost());
            state.put(prefix + "v." + name, p.v().toHost());
        });
    }

    void restore(SafetensorsFile state, String prefix) {
        parameters.forEach((name, p) -> {
            p.value().upload(state.tensor(prefix + name).data());
            p.m().upload(state.tensor(prefix + "m." + name).data());
            p.v().upload(state.tensor(prefix + "v." + name).data());
        });
    }

    private void free() {
        parameters.values().forEach(p -> p.tensors().forEach(Tensor::close));
    }

    @Override
    public void close() {
        free();
        rates.close();
    }
}
