package io.sails4j.saetrain;

import io.sails4j.ops.Engine;
import io.sails4j.ops.Ops;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The decoder's half of a step: errors of reconstructions, and the gradients that they give. */
final class Reconstruction {
    private final Engine engine;
    private final Ops ops;
    private final SaeParameters parameters;

    Reconstruction(Engine engine, SaeParameters parameters) {
        this.engine = engine;
        this.ops = engine.ops();
        this.parameters = parameters;
    }

    /** Codes of a reconstruction on the device: the first {@code counts} of each vector. */
    record Codes(Tensor indices, Tensor values, Tensor counts) {
        static Codes of(CodeBlock block, float[] values, int[] counts, TensorArena memory) {
            return new Codes(block.indices(), memory.of(values, block.tokens(), block.capacity()), memory.of(counts, block.tokens()));
        }
    }

    /** error [n, d_in] = bias + values W_dec + sign * x. */
    Tensor error(Codes codes, @Nullable Tensor bias, Tensor x, float sign, TensorArena memory) {
        Tensor error = memory.allocate(DType.F32, x.dim(0), x.dim(1));
        ops.sae().saeDecode(error, codes.indices, codes.values, codes.counts, parameters.value(SaeParameters.W_DEC), bias, null);
        ops.elementwise().axpby(error, x, sign, 1);
        return error;
    }

    double sumOfSquares(Tensor error) {
        return ops.elementwise().sumOfSquares(List.of(error))[0];
    }

    /** d = 2 scale error: the gradient of scale |error|^2. */
    Tensor gradient(Tensor error, double scale, TensorArena memory) {
        Tensor gradient = memory.allocate(DType.F32, error.dim(0), error.dim(1));
        ops.elementwise().axpby(gradient, error, (float) (2 * scale), 0);
        return gradient;
    }

    /** The gradient of the values. */
    float[] ofValues(Codes codes, Tensor gradient, TensorArena memory) {
        Tensor dValues = memory.zeros(DType.F32, codes.indices.dim(0), codes.indices.dim(1));
        ops.sae().saeDecodeBackward(dValues, gradient, codes.indices, codes.counts, parameters.value(SaeParameters.W_DEC), null);
        return dValues.toFloatArray();
    }

    /** Adds to the decoder's matrix. */
    void addToDecoder(Codes codes, Tensor gradient) {
        ops.sae().saeWeightGradient(parameters.gradient(SaeParameters.W_DEC), gradient, codes.indices, codes.values, codes.counts, false);
    }

    /** Adds to the decoder's bias. */
    void addToBias(Tensor gradient, TensorArena memory) {
        float[] ones = new float[(int) gradient.dim(0)];
        Arrays.fill(ones, 1);
        Tensor bias = parameters.gradient(SaeParameters.B_DEC);
        ops.matmul().matmul(bias.view(1, bias.numel()), memory.of(ones, 1, ones.length), gradient, false, false, 1, 1);
    }

    /** Adds to the encoder's matrix. */
    void addToEncoder(CodeBlock block, float[] dz, Tensor xin, TensorArena memory) {
        ops.sae().saeWeightGradient(parameters.gradient(SaeParameters.W_ENC), xin, block.indices(),
            memory.of(dz, block.tokens(), block.capacity()), memory.of(block.counts(), block.tokens()), true);
    }

    /** What the subtraction of the decoder's bias from the encoder's input adds to its gradient: -W_enc times that of the products. */
    void addInputToBias(double[] product, TensorArena memory) {
        Tensor bias = parameters.gradient(SaeParameters.B_DEC);
        ops.matmul().matmul(bias.view(bias.numel(), 1), parameters.value(SaeParameters.W_ENC),
            memory.of(FeatureGradients.floats(product), product.length, 1), false, false, -1, 1);
    }

    /** Takes the part of the decoder's gradient away that would change the length of its rows, which is 1. */
    void removeParallel(TensorArena memory) {
        Tensor w = parameters.value(SaeParameters.W_DEC);
        Tensor dots = memory.allocate(DType.F32, w.dim(0));
        ops.elementwise().dotRows(dots, parameters.gradient(SaeParameters.W_DEC), w);
        float[] parts = dots.toFloatArray();
        for (int i = 0; i < parts.length; i++) {
            parts[i] = -parts[i];
        }
        dots.upload(parts);
        ops.elementwise().scaleRows(parameters.gradient(SaeParameters.W_DEC), w, dots, null);
    }

    /** Scales the decoder's rows to length 1. */
    void normalizeRows(TensorArena memory) {
        Tensor w = parameters.value(SaeParameters.W_DEC);
        float[] factors = Standard.norms(engine, parameters, memory);
        for (int i = 0; i < factors.length; i++) {
            factors[i] = factors[i] == 0 ? 1 : 1 / factors[i];
        }
        ops.elementwise().scaleRows(w, null, null, memory.of(factors, factors.length));
    }
}
