package io.sails4j.sae;

import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.ops.Engine;
import io.sails4j.ops.Ops;
import io.sails4j.ops.SaeActivation;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** A sparse autoencoder on a device, F32. Its matrices are the mapped file itself where the file allows it. */
public final class Sae implements AutoCloseable {
    /** SAELens' guard against a standard deviation of 0. */
    private static final float LAYER_NORM_EPS = 1e-5f;
    private static final int MIN_CAPACITY = 64;

    private final Engine engine;
    private final SaeFiles files;
    private final SaeConfig config;
    private final List<Tensor> owned = new ArrayList<>();
    private final SaeEncoder encoder;
    private final Tensor wDec;
    private final Tensor bDec;
    private final @Nullable Tensor decodeScale;
    /** Room for active features of a token: grows with what the data needs. */
    private int capacity;

    private Sae(Engine engine, SaeFiles files) {
        this.engine = engine;
        this.files = files;
        this.config = files.config();
        Tensor weights = matrix("W_enc");
        this.wDec = matrix("W_dec");
        this.bDec = vector(files.array("b_dec").toFloatArray());
        float[] norms = config.rescaleActsByDecoderNorm() ? decoderNorms() : null;
        this.encoder = encoder(weights, norms);
        this.decodeScale = norms == null ? null : vector(map(norms, n -> 1 / n));
        this.capacity = config.architecture() == SaeConfig.Architecture.TOPK ? config.k() : (int) Math.min(config.dSae(), MIN_CAPACITY);
    }

    private SaeEncoder encoder(Tensor weights, float @Nullable [] norms) {
        if (config.architecture() == SaeConfig.Architecture.GATED) {
            return new SaeEncoder(activation(), config.k(), weights, vector(files.array("b_mag").toFloatArray()), null,
                vector(map(files.array("r_mag").toFloatArray(), r -> (float) Math.exp(r))), vector(files.array("b_gate").toFloatArray()));
        }
        float[] bEnc = files.array("b_enc").toFloatArray();
        // (x W + b) * norm is what is compared: the norm goes to both.
        return new SaeEncoder(activation(), config.k(), weights, vector(norms == null ? bEnc : times(bEnc, norms)),
            config.architecture() == SaeConfig.Architecture.JUMPRELU ? vector(files.array("threshold").toFloatArray()) : null,
            norms == null ? null : vector(norms), null);
    }

    /** Loads Gemma Scope's {@code params.npz} (or its directory), a SAELens, a sparsify or a Llama Scope directory. */
    public static Sae load(Path path, Engine engine) {
        SaeFiles files = SaeFiles.open(path);
        Sae sae;
        try {
            sae = new Sae(engine, files);
        } catch (RuntimeException e) {
            files.close();
            throw e;
        }
        try {
            sae.requireSound();
            return sae;
        } catch (RuntimeException e) {
            sae.close();
            throw e;
        }
    }

    private interface FloatMap {
        float apply(float x);
    }

    private static float[] map(float[] values, FloatMap f) {
        float[] out = new float[values.length];
        for (int i = 0; i < out.length; i++) {
            out[i] = f.apply(values[i]);
        }
        return out;
    }

    private static float[] times(float[] a, float[] b) {
        float[] out = new float[a.length];
        for (int i = 0; i < out.length; i++) {
            out[i] = a[i] * b[i];
        }
        return out;
    }

    private float[] decoderNorms() {
        int dIn = (int) config.dIn();
        float[] norms = new float[(int) config.dSae()];
        for (int i = 0; i < norms.length; i++) {
            float[] row = decoderRow(i, dIn);
            double sum = 0;
            for (float x : row) {
                sum += (double) x * x;
            }
            norms[i] = (float) Math.sqrt(sum);
        }
        return norms;
    }

    private float[] decoderRow(int id, int dIn) {
        HostTensor all = files.array("W_dec");
        long rowBytes = (long) dIn * all.dtype().byteSize();
        return new HostTensor(all.dtype(), Shape.of(dIn), all.data().asSlice(id * rowBytes, rowBytes)).toFloatArray();
    }

    private Tensor matrix(String name) {
        HostTensor source = files.array(name);
        boolean inPlace = source.data().isNative() && source.data().address() % 4 == 0;
        if (source.dtype() == DType.F32 && inPlace && engine.device().hostAccessible()) {
            return engine.device().wrap(source);
        }
        Tensor tensor = engine.device().allocate(DType.F32, source.shape());
        owned.add(tensor);
        if (source.dtype() == DType.F32) {
            tensor.upload(source.data());
        } else {
            try (Tensor staged = engine.device().upload(source)) {
                engine.ops().elementwise().convert(tensor, staged);
            }
        }
        return tensor;
    }

    private Tensor vector(float[] values) {
        Tensor tensor = engine.device().upload(HostTensor.ofFloats(values, values.length));
        owned.add(tensor);
        return tensor;
    }

    private void requireSound() {
        requireFinite("W_enc", encoder.weights());
        requireFinite("W_dec", wDec);
        requireFinite("b_dec", bDec);
        boolean gated = config.architecture() == SaeConfig.Architecture.GATED;
        requireFinite(gated ? "b_mag" : "b_enc", encoder.bias());
        requireFinite("b_gate", encoder.gateBias());
        requireFinite(gated ? "exp(r_mag)" : "the decoder rows' norm", encoder.scale());
        double[] squares = engine.ops().elementwise().sumOfSquares(List.of(encoder.weights(), wDec));
        if (squares[0] == 0 || squares[1] == 0) {
            throw new InputException(files.path() + ": all " + config.dSae() + " features are dead, "
                + (squares[0] == 0 ? "W_enc is zero: none depends on the input" : "their decoder rows in W_dec are zero"));
        }
    }

    private void requireFinite(String name, @Nullable Tensor values) {
        long bad = values == null ? 0 : engine.ops().elementwise().countNonfinite(values);
        if (bad > 0) {
            throw new InputException(files.path() + ": " + name + " has " + bad + " values that are NaN or infinite; the file is damaged");
        }
    }

    /**
     * An error unless each SAE can read the residual stream after its layer of a model.
     *
     * @param saes by layer
     * @param model its directory, or what else messages shall call it
     */
    public static void requireFit(Map<Integer, Sae> saes, ModelConfig config, Object model) {
        saes.forEach((layer, sae) -> {
            if (layer < 0 || layer >= config.nLayers()) {
                throw new InputException("sae=" + layer + "=" + sae.path() + " is given for layer " + layer + ": " + model
                    + " has layers 0 to " + (config.nLayers() - 1));
            }
            sae.requireLayer(layer);
            sae.requireInput(config.dModel(), model);
        });
    }

    /**
     * An error unless this SAE reads a residual stream of this width.
     *
     * @param model its directory, or what else messages shall call it
     */
    public void requireInput(long dModel, Object model) {
        if (config.dIn() != dModel) {
            throw new InputException(files.path() + " reads vectors of d_in = " + config.dIn() + ", but the residual stream of " + model
                + " has d_model = " + dModel + "; the SAE belongs to another model");
        }
    }

    /** An error where the files tell that this is no SAE of the residual stream after a layer. */
    public void requireLayer(int layer) {
        files.hook().requireLayer(layer, files.path());
    }

    /** Where in a model it belongs, as its files tell. */
    public SaeHook hook() {
        return files.hook();
    }

    /** Sizes and kind. */
    public SaeConfig config() {
        return config;
    }

    /** Where it was read. */
    public Path path() {
        return files.path();
    }

    /** [d_sae, d_in] F32. */
    public Tensor wDec() {
        return wDec;
    }

    /** Decoder rows of some features, [ids.length][d_in]. */
    public float[][] decoderRows(int[] ids) {
        float[][] rows = new float[ids.length][];
        for (int i = 0; i < ids.length; i++) {
            rows[i] = decoderRow(ids[i], (int) config.dIn());
        }
        return rows;
    }

    /** Columns of the encoder of some features, [ids.length][d_in], as they lie in the file. */
    public float[][] encoderColumns(int[] ids) {
        HostTensor all = files.array("W_enc");
        long size = all.dtype().byteSize();
        float[][] columns = new float[ids.length][(int) config.dIn()];
        for (int i = 0; i < config.dIn(); i++) {
            for (int f = 0; f < ids.length; f++) {
                MemorySegment value = all.data().asSlice((i * config.dSae() + ids[f]) * size, size);
                columns[f][i] = new HostTensor(all.dtype(), Shape.of(1), value).toFloatArray()[0];
            }
        }
        return columns;
    }

    private SaeActivation activation() {
        return switch (config.architecture()) {
            case STANDARD -> SaeActivation.RELU;
            case JUMPRELU -> SaeActivation.JUMPRELU;
            case TOPK -> SaeActivation.TOPK;
            case GATED -> SaeActivation.GATED;
        };
    }

    /** What the encoder reads, and with layer_norm what it was standardised by. */
    private record EncoderInput(Tensor values, @Nullable Tensor mean, @Nullable Tensor std) {
    }

    private EncoderInput standardized(Tensor x, TensorArena memory) {
        if (!config.layerNorm()) {
            return new EncoderInput(x, null, null);
        }
        long n = x.dim(0);
        Tensor mean = memory.allocate(DType.F32, n);
        Tensor std = memory.allocate(DType.F32, n);
        Tensor input = memory.allocate(DType.F32, n, config.dIn());
        engine.ops().sae().standardizeForward(input, mean, std, x, LAYER_NORM_EPS);
        return new EncoderInput(input, mean, std);
    }

    private EncoderInput encoderInput(Tensor x, TensorArena memory) {
        EncoderInput input = standardized(x, memory);
        if (!config.applyBDecToInput()) {
            return input;
        }
        Tensor shifted = memory.allocate(DType.F32, x.dim(0), config.dIn());
        engine.ops().elementwise().addRow(shifted, input.values, bDec, -1);
        return new EncoderInput(shifted, input.mean, input.std);
    }

    /**
     * sum [n_classes, d_sae] F64 += token_weight * value over the active features of x [n_tokens, d_in] F32, by token_class [n_tokens] I32
     * (negative: left out); without codes where the activation tells active features one by one.
     */
    public void accumulate(Tensor sum, Tensor x, Tensor tokenClass, Tensor tokenWeight, TensorArena memory) {
        if (activation() == SaeActivation.TOPK) {
            SparseCodes codes = encode(x, memory);
            engine.ops().sae().saeAccumulate(sum, null, codes.indices(), codes.values(), codes.counts(), tokenClass, tokenWeight);
        } else {
            engine.ops().sae().saeStatistics(sum, null, null, encoderInput(x, memory).values, encoder.weights(), encoder.bias(),
                encoder.threshold(), encoder.scale(), encoder.gateBias(), tokenClass, tokenWeight, activation());
        }
    }

    /** The active features of x [n_tokens, d_in] F32; results live in {@code memory}, and x must live as long as they are used. */
    public SparseCodes encode(Tensor x, TensorArena memory) {
        long n = x.dim(0);
        EncoderInput input = encoderInput(x, memory);
        Tensor counts = memory.allocate(DType.I32, n);
        while (true) {
            TensorArena.Mark mark = memory.mark();
            Tensor indices = memory.allocate(DType.I32, n, capacity);
            Tensor values = memory.allocate(DType.F32, n, capacity);
            encoder.into(engine.ops(), indices, values, counts, input.values);
            int needed = Arrays.stream(counts.toIntArray()).max().orElse(0);
            if (needed <= capacity) {
                return new SparseCodes(indices, values, counts, x, input.mean, input.std);
            }
            memory.release(mark);
            capacity = (int) Math.min(config.dSae(), Math.max(needed, capacity + capacity / 2L));
        }
    }

    /** @param shifted whether the encoder's biases have b_dec in them already */
    SparseCodes encodeInto(SaeEncoder some, boolean shifted, Tensor indices, Tensor values, Tensor counts, Tensor x, TensorArena memory) {
        EncoderInput input = shifted ? standardized(x, memory) : encoderInput(x, memory);
        some.into(engine.ops(), indices, values, counts, input.values);
        return new SparseCodes(indices, values, counts, x, input.mean, input.std);
    }

    Runnable prepared(SaeEncoder some, Tensor indices, Tensor values, Tensor counts, Tensor x) {
        return some.prepared(engine.ops(), indices, values, counts, x);
    }

    SaeEncoder encoder() {
        return encoder;
    }

    /** What is subtracted from the encoder's input, null for nothing. */
    float @Nullable [] inputShift() {
        return config.applyBDecToInput() ? bDec.toFloatArray() : null;
    }

    TensorArena newMemory() {
        return new TensorArena(engine.device());
    }

    /** The reconstruction [n_tokens, d_in] F32. */
    public Tensor decode(SparseCodes codes, TensorArena memory) {
        Tensor recon = rawRecon(codes, memory);
        if (config.layerNorm()) {
            engine.ops().sae().unstandardizeForward(recon, recon, kept(codes.mean()), kept(codes.std()));
        }
        return recon;
    }

    private Tensor rawRecon(SparseCodes codes, TensorArena memory) {
        Tensor recon = memory.allocate(DType.F32, codes.tokens(), config.dIn());
        engine.ops().sae().saeDecode(recon, codes.indices(), codes.values(), codes.counts(), wDec, bDec, decodeScale);
        return recon;
    }

    /**
     * x [n_tokens, d_in] F32 += decode(z + dz) - decode(z): the changed features' decoder rows times their changes, in the units of the
     * activations. What the SAE cannot reconstruct stays in x.
     *
     * @param z whose rows are changed; it lends the standard deviations where the SAE standardises its input
     * @param indices [n_tokens, features] I32, rising ids in each row
     * @param changes [n_tokens, features] F32
     * @param counts [n_tokens] I32, how many features of each row are changed
     */
    public void addChange(Tensor x, SparseCodes z, Tensor indices, Tensor changes, Tensor counts, TensorArena memory) {
        Tensor change = memory.allocate(DType.F32, z.tokens(), config.dIn());
        engine.ops().sae().saeDecode(change, indices, changes, counts, wDec, null, decodeScale);
        if (config.layerNorm()) {
            engine.ops().sae().unstandardizeForward(change, change, memory.zeros(DType.F32, z.tokens()), kept(z.std()));
        }
        engine.ops().elementwise().axpby(x, change, 1, 1);
    }

    /** The activations written out, [n_tokens, d_sae] F32. */
    public Tensor densify(SparseCodes codes, TensorArena memory) {
        Tensor acts = memory.allocate(DType.F32, codes.tokens(), config.dSae());
        engine.ops().sae().saeDensify(acts, codes.indices(), codes.values(), codes.counts());
        return acts;
    }

    /** Gradient of the input [n_tokens, d_in] F32 from that of the active features' values [n_tokens, capacity] F32. */
    public Tensor encodeBackward(SparseCodes codes, Tensor dValues, TensorArena memory) {
        return inputGradient(codes, dValues, null, null, memory);
    }

    /** Gradient of the input through encoder and decoder, from that of the reconstruction [n_tokens, d_in] F32. */
    public Tensor reconstructionBackward(SparseCodes codes, Tensor dRecon, TensorArena memory) {
        Ops ops = engine.ops();
        Tensor dRaw = dRecon;
        Tensor dMean = null;
        Tensor dStd = null;
        if (config.layerNorm()) {
            dRaw = memory.allocate(DType.F32, dRecon.shape().toArray());
            dMean = memory.allocate(DType.F32, codes.tokens());
            dStd = memory.allocate(DType.F32, codes.tokens());
            ops.sae().unstandardizeBackward(dRaw, dMean, dStd, dRecon, rawRecon(codes, memory), kept(codes.std()));
        }
        Tensor dValues = memory.allocate(DType.F32, codes.tokens(), codes.capacity());
        ops.sae().saeDecodeBackward(dValues, dRaw, codes.indices(), codes.counts(), wDec, decodeScale);
        return inputGradient(codes, dValues, dMean, dStd, memory);
    }

    /** Statistics of the rows, which codes of a SAE that standardises them have. */
    private static Tensor kept(@Nullable Tensor statistics) {
        return Objects.requireNonNull(statistics, "codes of a SAE without layer_norm have no statistics");
    }

    private Tensor inputGradient(SparseCodes codes, Tensor dValues, @Nullable Tensor dMean, @Nullable Tensor dStd, TensorArena memory) {
        Tensor dx = memory.allocate(DType.F32, codes.tokens(), config.dIn());
        engine.ops().sae().saeEncodeBackward(dx, dValues, codes.indices(), codes.counts(), encoder.weights(), encoder.scale());
        if (config.layerNorm()) {
            Tensor through = memory.allocate(DType.F32, codes.tokens(), config.dIn());
            engine.ops().sae().standardizeBackward(through, dx, dMean, dStd, codes.input(), kept(codes.mean()), kept(codes.std()),
                LAYER_NORM_EPS);
            return through;
        }
        return dx;
    }

    @Override
    public void close() {
        owned.forEach(Tensor::close);
        files.close();
    }
}
