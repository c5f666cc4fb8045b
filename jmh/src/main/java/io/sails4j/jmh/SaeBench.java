package io.sails4j.jmh;

import io.sails4j.ops.SaeActivation;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import java.util.Arrays;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** An autoencoder of Gemma-2 2B's residual stream with TopK: the product alone, encoding, decoding, and their gradients. */
public class SaeBench extends OnDevice {
    @Param("sae-16k")
    public String sae;

    /** Active features a token. */
    @Param("80")
    public int active;

    private Tensor x;
    private Tensor wEnc;
    private Tensor wDec;
    private Tensor hidden;
    private Tensor indices;
    private Tensor values;
    private Tensor counts;
    private Tensor recon;
    private Tensor dvalues;
    private Tensor dx;

    @Override
    void prepare() {
        int width = Shapes.width(sae);
        int dIn = Shapes.dIn(sae);
        x = random(tokens, dIn);
        wEnc = random(dIn, width);
        wDec = random(width, dIn);
        hidden = memory.allocate(dtype, tokens, width);
        indices = memory.zeros(DType.I32, tokens, active);
        values = memory.zeros(DType.F32, tokens, active);
        counts = memory.allocate(DType.I32, tokens);
        recon = memory.allocate(DType.F32, tokens, dIn);
        dvalues = memory.zeros(DType.F32, tokens, active);
        dx = memory.allocate(DType.F32, tokens, dIn);
        check(width, dIn);
    }

    private void check(int width, int dIn) {
        product();
        encode();
        float[] all = Arrays.copyOf(values(hidden), width);
        int strongest = 0;
        for (int i = 1; i < width; i++) {
            strongest = all[i] > all[strongest] ? i : strongest;
        }
        float[] codes = values.toFloatArray();
        double most = codes[0];
        for (int slot = 1; slot < active; slot++) {
            most = Math.max(most, codes[slot]);
        }
        require("the strongest feature's value", most, all[strongest], 0);
        decode();
        float[] decoder = values(wDec);
        int[] ids = indices.toIntArray();
        double sum = 0;
        for (int slot = 0; slot < active; slot++) {
            sum += (double) codes[slot] * decoder[ids[slot] * dIn];
        }
        require("recon[0, 0]", recon.toFloatArray()[0], sum, most);
        decodeBackward();
        requireFinite("dvalues", dvalues);
        encodeBackward();
        requireFinite("dx", dx);
    }

    /** What encoding is put beside. */
    @Benchmark
    public void product() {
        ops.matmul().matmul(hidden, x, wEnc, false, false, 1, 0);
        await();
    }

    @Benchmark
    public void encode() {
        ops.sae().saeEncode(indices, values, counts, x, wEnc, null, null, null, null, SaeActivation.TOPK, active);
        await();
    }

    @Benchmark
    public void decode() {
        ops.sae().saeDecode(recon, indices, values, counts, wDec, null, null);
        await();
    }

    @Benchmark
    public void decodeBackward() {
        ops.sae().saeDecodeBackward(dvalues, recon, indices, counts, wDec, null);
        await();
    }

    @Benchmark
    public void encodeBackward() {
        ops.sae().saeEncodeBackward(dx, dvalues, indices, counts, wEnc, null);
        await();
    }
}
