package io.sails4j.model;

import io.sails4j.config.ModelConfig;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The tensors of a decoding step, which stay where they are from one token to the next; all layers use the same.
 *
 * @param ids the latest token of each sequence [batch] I32
 * @param positions its position in its document [batch] I32
 * @param keyPosition its place in the cache, one I32
 * @param step how many tokens were chosen before it, one I32
 * @param segments of the new tokens, all 1 [batch] I32
 * @param history the tokens chosen so far, a row a step [max_new_tokens, batch] I32
 * @param uniforms the random numbers of all steps [max_new_tokens, batch] F32, null where decoding is greedy
 * @param uniform those of this step [1, batch] F32
 * @param ropeTable [batch, head_dim / 2, 2] F32
 * @param residual [batch, d_model] F32
 * @param normed what enters the maps [batch, d_model] in the compute type
 * @param z [batch, n_heads, head_dim] in the compute type
 * @param out a half block's result before it is added [batch, d_model] F32
 * @param logits [batch, vocab_size] F32
 * @param matrices views of these
 */
record DecodeBuffers(Tensor ids, Tensor positions, Tensor keyPosition, Tensor step, Tensor segments, Tensor history,
    @Nullable Tensor uniforms,
    @Nullable Tensor uniform, Tensor ropeTable, Tensor residual, Tensor normed, Tensor q, Tensor k, Tensor v, Tensor z, Tensor act,
    Tensor out, Tensor logits, Matrices matrices) {
    /**
     * What maps write and read, made once.
     *
     * @param qkv q, k and v [batch, n * head_dim]
     * @param z the same of z
     * @param out in a list
     */
    record Matrices(List<Tensor> qkv, Tensor z, List<Tensor> out) {
    }

    static DecodeBuffers allocate(ModelConfig c, DType type, int batch, int steps, boolean random, TensorArena memory) {
        int[] ones = new int[batch];
        Arrays.fill(ones, 1);
        Tensor q = memory.allocate(type, batch, c.nHeads(), c.headDim());
        Tensor k = memory.allocate(type, batch, c.nKvHeads(), c.headDim());
        Tensor v = memory.allocate(type, batch, c.nKvHeads(), c.headDim());
        Tensor z = memory.allocate(type, batch, c.nHeads(), c.headDim());
        Tensor out = memory.allocate(DType.F32, batch, c.dModel());
        return new DecodeBuffers(memory.allocate(DType.I32, batch), memory.allocate(DType.I32, batch), memory.allocate(DType.I32, 1),
            memory.allocate(DType.I32, 1), memory.of(ones, batch), memory.allocate(DType.I32, steps, batch),
            random ? memory.allocate(DType.F32, steps, batch) : null, random ? memory.allocate(DType.F32, 1, batch) : null,
            memory.allocate(DType.F32, batch, c.headDim() / 2, 2), memory.allocate(DType.F32, batch, c.dModel()),
            memory.allocate(type, batch, c.dModel()), q, k, v, z, memory.allocate(type, batch, c.dFf()), out,
            memory.allocate(DType.F32, batch, c.vocabSize()),
            new Matrices(List.of(flat(q), flat(k), flat(v)), flat(z), List.of(out)));
    }

    /** A tensor of heads as the matrix [batch, n * head_dim] that a map writes or reads. */
    private static Tensor flat(Tensor heads) {
        Shape s = heads.shape();
        return heads.view(s.dim(0), s.dim(1) * s.dim(2));
    }
}
