package io.sails4j.bench;

import io.sails4j.config.ModelConfig;
import io.sails4j.config.Projection;
import io.sails4j.conformance.ActivationCases;
import io.sails4j.conformance.Adamw8bitCase;
import io.sails4j.conformance.AdamwCase;
import io.sails4j.conformance.AdamwRatesCase;
import io.sails4j.conformance.AttentionCases;
import io.sails4j.conformance.DecodeCases;
import io.sails4j.conformance.DoraCases;
import io.sails4j.conformance.ElementwiseCases;
import io.sails4j.conformance.EmbeddingCases;
import io.sails4j.conformance.HeadCases;
import io.sails4j.conformance.LinearCases;
import io.sails4j.conformance.LinearSetCases;
import io.sails4j.conformance.LoraCases;
import io.sails4j.conformance.MatmulCase;
import io.sails4j.conformance.OpCase;
import io.sails4j.conformance.PagedCases;
import io.sails4j.conformance.PreferenceCases;
import io.sails4j.conformance.ProjectCases;
import io.sails4j.conformance.ProjectSetCases;
import io.sails4j.conformance.QuantizedCases;
import io.sails4j.conformance.RmsNormCases;
import io.sails4j.conformance.RopeCases;
import io.sails4j.conformance.RowCases;
import io.sails4j.conformance.SaeDecodeCases;
import io.sails4j.conformance.SaeEncodeCases;
import io.sails4j.conformance.SaeStatisticsCases;
import io.sails4j.conformance.SaeWeightGradientCase;
import io.sails4j.conformance.SampleCase;
import io.sails4j.conformance.StandardizeCases;
import io.sails4j.model.BatchOptions;
import io.sails4j.ops.AdamwOptions;
import io.sails4j.ops.AttentionShape;
import io.sails4j.ops.GluActivation;
import io.sails4j.ops.PreferenceKind;
import io.sails4j.ops.Projected;
import io.sails4j.ops.SaeActivation;
import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/** Every operation at the shapes that the models' layers, their training and their autoencoders have. */
final class KernelShapes {
    private static final int RANK = 16;
    private static final int SUBSPACE = 40;
    private static final int ACTIVE_FEATURES = 80;
    private static final int CODE_CAPACITY = 128;
    private static final AdamwOptions ADAMW = new AdamwOptions(1e-6, 0.9, 0.999, 1e-8, 0);

    private final BenchSize size;
    private final DType dtype;
    private final int tokens;
    private final List<Shape> shapes = new ArrayList<>();

    /** @param layer the place in a model that has this shape */
    record Shape(String layer, OpCase opCase) {
    }

    private KernelShapes(BenchSize size, DType dtype) {
        this.size = size;
        this.dtype = dtype;
        this.tokens = size.tokens();
    }

    /** All but the autoencoders'. */
    static List<Shape> layers(BenchSize size, DType dtype) {
        KernelShapes all = new KernelShapes(size, dtype);
        for (BenchSize.Model model : size.models()) {
            all.products(model.name(), model.config());
            all.adapters(model.name(), model.config());
            all.attention(model.name(), model.config());
            all.head(model.name(), model.config());
            all.rows(model.name(), model.config());
            all.optimizer(model.name(), model.config());
            all.decoding(model.name(), model.config());
            all.quantized(model.name(), model.config());
        }
        all.square();
        all.elementwise(size.models().getFirst().name(), size.models().getFirst().config());
        return all.shapes;
    }

    static List<Shape> autoencoders(BenchSize size, DType dtype) {
        KernelShapes all = new KernelShapes(size, dtype);
        int dIn = (int) size.models().getFirst().config().dModel();
        size.saeWidths().forEach(width -> all.autoencoder(dIn, width));
        return all.shapes;
    }

    private void add(String layer, OpCase opCase) {
        shapes.add(new Shape(layer, opCase));
    }

    private void matmul(String layer, long m, long n, long k, boolean transposeA, boolean transposeB, DType c) {
        String dims = m + " x " + n + " x " + k + (transposeA ? " TN" : transposeB ? " NT" : " NN");
        add(layer + ", " + dims, new MatmulCase((int) m, (int) n, (int) k, transposeA, transposeB, 1, 0, 0, c, dtype));
    }

    private void square() {
        matmul("square", tokens, tokens, tokens, false, true, dtype);
        matmul("square", tokens, tokens, tokens, false, false, dtype);
        matmul("square", tokens, tokens, tokens, true, false, dtype);
    }

    /** Each linear map forward, the gradient of its input and of its weight: the three layouts. */
    private void products(String name, ModelConfig config) {
        for (Projection p : new Projection[] {Projection.Q_PROJ, Projection.GATE_PROJ, Projection.DOWN_PROJ}) {
            String layer = name + " " + p.name().toLowerCase(Locale.ROOT);
            long in = p.dIn(config);
            long out = p.dOut(config);
            matmul(layer + " forward", tokens, out, in, false, true, dtype);
            matmul(layer + " input gradient", tokens, in, out, false, false, dtype);
            matmul(layer + " weight gradient", out, in, tokens, true, false, DType.F32);
        }
        add(name + " gate and up, kept",
            new LinearSetCases.Glu(tokens, (int) config.dModel(), (int) config.dFf(), 0, 0, true, GluActivation.GELU_TANH, dtype));
    }

    private void adapters(String name, ModelConfig config) {
        for (Projection p : new Projection[] {Projection.Q_PROJ, Projection.O_PROJ}) {
            String layer = name + " " + p.name().toLowerCase(Locale.ROOT) + " LoRA r " + RANK;
            int in = (int) p.dIn(config);
            int out = (int) p.dOut(config);
            add(layer,
                new LinearCases.Forward(tokens, in, out, RANK, false, false, false, p == Projection.O_PROJ ? DType.F32 : dtype, dtype));
            add(layer, new LinearCases.Backward(tokens, in, out, RANK, p == Projection.Q_PROJ, true, dtype));
            add(layer, new LoraCases.Forward(tokens, in, out, RANK, 1, LoraCases.Zero.NONE, DType.F32, dtype));
            add(layer, new LoraCases.Backward(tokens, in, out, RANK, 1, true, dtype, dtype));
        }
        int d = (int) Projection.Q_PROJ.dIn(config);
        int q = (int) Projection.Q_PROJ.dOut(config);
        add(name + " q_proj DoRA r " + RANK, new DoraCases.Norm(q, d, RANK, dtype));
        add(name + " q_proj DoRA r " + RANK, new DoraCases.Forward(tokens, q, false, dtype));
        add(name + " q_proj DoRA r " + RANK, new DoraCases.Backward(tokens, q, true, false, dtype));
    }

    private static AttentionShape attentionShape(int batch, int queries, int keys, ModelConfig c, int headDim, int window) {
        int heads = (int) (c.qWidth() / headDim);
        int kvHeads = (int) (c.kvWidth() / headDim);
        return new AttentionShape(batch, queries, keys, heads, kvHeads, headDim, (long) keys * kvHeads * headDim, keys - queries, window,
            (float) (1 / Math.sqrt(headDim)), (float) c.attnLogitSoftcap());
    }

    /** Head dimensions of the model and half of it (27B's and Llama's), global and with a window of a quarter of the longest sequence. */
    private void attention(String name, ModelConfig config) {
        int longest = size.lengths().getLast();
        for (int headDim : new int[] {config.headDim(), config.headDim() / 2}) {
            for (int length : size.lengths()) {
                attention(name + " head_dim " + headDim + ", global, " + length, attentionShape(1, length, length, config, headDim, 0));
            }
            attention(name + " head_dim " + headDim + ", window " + longest / 4 + ", " + longest,
                attentionShape(1, longest, longest, config, headDim, longest / 4));
        }
    }

    private void attention(String layer, AttentionShape shape) {
        add(layer, new AttentionCases.Forward(shape, AttentionCases.Segments.ONE, true, dtype));
        add(layer, new AttentionCases.Backward(shape, AttentionCases.Segments.ONE, dtype));
    }

    private void head(String name, ModelConfig config) {
        int d = (int) config.dModel();
        int vocab = (int) config.vocabSize();
        float cap = (float) config.finalLogitSoftcap();
        add(name + " head, loss", new HeadCases.HeadLoss(tokens, d, vocab, false, false, cap, 0, dtype));
        add(name + " head, frozen", new HeadCases.HeadLoss(tokens, d, vocab, true, false, cap, 0, dtype));
        add(name + " head, trained", new HeadCases.HeadLoss(tokens, d, vocab, true, true, cap, 0, dtype));
    }

    private void rows(String name, ModelConfig c) {
        int d = (int) c.dModel();
        RmsNormCases.Alias none = RmsNormCases.Alias.NONE;
        String norm = " norm [" + tokens + ", " + d + "]";
        add(name + " input" + norm, new RmsNormCases.Forward(tokens, d, false, true, none, 1, dtype, DType.F32));
        add(name + " post" + norm + ", residual", new RmsNormCases.Forward(tokens, d, true, true, none, 1, DType.F32, DType.F32));
        add(name + norm + ", frozen", new RmsNormCases.Backward(tokens, d, false, true, false, 1, DType.F32, DType.F32));
        add(name + norm + ", trained", new RmsNormCases.Backward(tokens, d, true, true, false, 1, DType.F32, DType.F32));
        add(name + " q", new RopeCases.Rotate(tokens, c.nHeads(), c.headDim(), false, true, dtype));
        add(name + " positions", new RopeCases.Table(tokens, c.headDim(), c.ropeTheta()));
        int ff = (int) (tokens * c.dFf());
        add(name + " gate", new ActivationCases.GluForward(ff, GluActivation.GELU_TANH, ActivationCases.Alias.NONE, dtype));
        add(name + " gate", new ActivationCases.GluBackward(ff, GluActivation.GELU_TANH, ActivationCases.Alias.NONE, dtype));
        add(name + " embedding", new EmbeddingCases.Forward(tokens, (int) c.vocabSize(), d, 1, DType.F32, dtype));
    }

    /** Rank-16 adapters on q, k, v and o of every layer, and the sides of them that face the residual stream. */
    private void optimizer(String name, ModelConfig c) {
        List<Integer> factors = new ArrayList<>();
        List<ProjectSetCases.Size> facing = new ArrayList<>();
        for (int layer = 0; layer < c.nLayers(); layer++) {
            for (Projection p : new Projection[] {Projection.Q_PROJ, Projection.K_PROJ, Projection.V_PROJ, Projection.O_PROJ}) {
                factors.add((int) (RANK * p.dIn(c)));
                factors.add((int) (RANK * p.dOut(c)));
                facing.add(new ProjectSetCases.Size((int) c.dModel(), Math.min(SUBSPACE, (int) c.dModel()), RANK, p != Projection.O_PROJ));
            }
        }
        String layer = name + " LoRA r " + RANK;
        add(layer, new AdamwRatesCase(100, 1, ADAMW));
        add(layer, new AdamwCase(factors, 100, 1, ADAMW));
        add(layer, new Adamw8bitCase(factors, 100, 1, 1, ADAMW));
        add(layer + ", subspace of " + SUBSPACE, new ProjectSetCases.ProjectSet(facing, true));
        add(layer + ", gradient", new ProjectSetCases.AdamwProjected(facing, Projected.GRADIENT, 100, 1, ADAMW));
        add(layer + ", update", new ProjectSetCases.AdamwProjected(facing, Projected.UPDATE, 100, 1, ADAMW));
        add(layer + ", one factor", new ProjectCases.Project((int) c.dModel(), Math.min(SUBSPACE, (int) c.dModel()), RANK, false, true));
        add(layer, new ElementwiseCases.SumOfSquares(factors));
    }

    /** One token, and eight: products that read the weights once, attention over a cache, the choice of the next token. */
    private void decoding(String name, ModelConfig c) {
        for (int batch : new int[] {1, 8}) {
            String layer = name + " decode, batch " + batch;
            matmul(layer + ", gate_proj", batch, c.dFf(), c.dModel(), false, true, dtype);
            matmul(layer + ", down_proj", batch, c.dModel(), c.dFf(), false, true, DType.F32);
            matmul(layer + ", head", batch, c.vocabSize(), c.dModel(), false, true, DType.F32);
            int d = (int) c.dModel();
            List<LinearSetCases.Size> qkv = List.of(new LinearSetCases.Size((int) c.qWidth(), RANK),
                new LinearSetCases.Size((int) c.kvWidth(), RANK),
                new LinearSetCases.Size((int) c.kvWidth(), RANK));
            add(layer + ", q, k, v LoRA r " + RANK, new LinearSetCases.Forward(batch, d, qkv, dtype, dtype));
            add(layer + ", gate and up", new LinearSetCases.Glu(batch, d, (int) c.dFf(), 0, 0, false, GluActivation.GELU_TANH, dtype));
            add(layer + ", norms", new DecodeCases.ResidualNorm(batch, d, true, true, 1, dtype));
            int keys = size.lengths().getLast();
            add(layer + ", cache", new DecodeCases.RopeAppend(batch, keys, c.nHeads(), c.nKvHeads(), c.headDim(), keys - 1, dtype));
            add(layer + ", " + keys + " keys", new DecodeCases.Attention(batch, keys, c.nHeads(), c.nKvHeads(), c.headDim(), keys - 1, 0,
                (float) c.attnLogitSoftcap(), dtype));
            PagedCases.Pages pages = new PagedCases.Pages(batch, BatchOptions.PAGE_TOKENS, Math.ceilDiv(keys, BatchOptions.PAGE_TOKENS),
                false);
            List<Integer> places = Collections.nCopies(batch, keys - 1);
            add(layer + ", pages", new PagedCases.RopeAppend(pages, places, c.nHeads(), c.nKvHeads(), c.headDim(), dtype));
            add(layer + ", " + keys + " keys in pages", new PagedCases.Attention(pages, places, c.nHeads(), c.nKvHeads(), c.headDim(), 0,
                (float) c.attnLogitSoftcap(), dtype));
            add(layer + ", q of rows' LoRA r " + RANK, new LoraCases.Rows(batch, d, (int) c.qWidth(), List.of(RANK, RANK, RANK, RANK),
                IntStream.range(0, batch).mapToObj(row -> row % 4).toList(), dtype, dtype));
            add(layer + ", counters", new DecodeCases.Advance(batch, keys, 0));
            add(layer + ", greedy", new SampleCase(batch, (int) c.vocabSize(), 0, 0, 1));
            add(layer + ", top_k 64, top_p 0.95", new SampleCase(batch, (int) c.vocabSize(), 0.8f, 64, 0.95f));
        }
    }

    /** Packed weights: of one token and eight, of a prompt, of a gradient, and how they are made. */
    private void quantized(String name, ModelConfig c) {
        int d = (int) c.dModel();
        int ff = (int) c.dFf();
        for (DType packed : new DType[] {DType.Q8, DType.Q4}) {
            String layer = name + " gate_proj " + packed.name().toLowerCase(Locale.ROOT);
            for (int n : new int[] {1, 8, tokens}) {
                add(layer + ", " + n + " rows", new QuantizedCases.Forward(n, d, ff, 0, dtype, dtype, packed));
            }
            add(layer + ", " + tokens + " rows", new QuantizedCases.Backward(tokens, d, ff, 0, false, dtype, packed));
            add(layer, new QuantizedCases.Dequantize(ff, d, dtype, packed));
            add(layer, new QuantizedCases.Quantize(ff, d, false, dtype, packed));
        }
    }

    /** What the models have little of, once. */
    private void elementwise(String name, ModelConfig c) {
        int n = (int) (tokens * c.dFf());
        int d = (int) c.dModel();
        int vocab = (int) c.vocabSize();
        add(name + " gradient to the compute type", new ElementwiseCases.Convert(n, dtype == DType.F32 ? DType.BF16 : dtype, DType.F32));
        add(name + " gate", new ElementwiseCases.Axpby(n, 1, 1, dtype));
        add(name + " residual stream", new ElementwiseCases.AddRow(tokens, d, -1, DType.F32, false));
        add(name + " counted rows", new ElementwiseCases.GatherRows(tokens / 2, tokens, d, dtype));
        add(name + " gate", new ElementwiseCases.CountNonfinite(n, dtype));
        add(name + " embedding, trained", new EmbeddingCases.Backward(tokens, vocab, d, 1));
        int rows = Math.max(1, tokens / 16);
        add(name + " logits of " + rows + " rows", new ActivationCases.SoftcapForward(rows * vocab, 30, true));
        add(name + " logits of " + rows + " rows", new ActivationCases.SoftcapBackward(rows * vocab, 30, true));
        add(name + " logits of " + rows + " rows", new HeadCases.CrossEntropy(rows, vocab, true, true));
        int pairs = 8;
        add(name + " " + pairs + " pairs",
            new PreferenceCases.Preference(pairs, Math.max(1, tokens / pairs / 2), PreferenceKind.DPO, 0.1, 1, true, 2));
    }

    private void autoencoder(int dIn, int dSae) {
        String layer = dIn + " -> " + dSae;
        SaeActivation jumprelu = SaeActivation.JUMPRELU;
        int capacity = Math.min(CODE_CAPACITY, dSae);
        int active = Math.min(ACTIVE_FEATURES, dSae / 4);
        add(layer + ", JumpReLU", new SaeEncodeCases.Encode(tokens, dIn, dSae, capacity, jumprelu, 0, 0, true, false, dtype));
        add(layer + ", TopK " + active,
            new SaeEncodeCases.Encode(tokens, dIn, dSae, active, SaeActivation.TOPK, active, 0, true, false, dtype));
        add(layer + ", JumpReLU, two classes",
            new SaeStatisticsCases.Statistics(tokens, dIn, dSae, 2, jumprelu, 0, true, false, true, dtype));
        add(layer + ", " + active + " active", new SaeDecodeCases.Decode(tokens, dIn, dSae, active, true, false, dtype));
        add(layer + ", " + active + " active", new SaeDecodeCases.DecodeBackward(tokens, dIn, dSae, active, false, dtype));
        add(layer + ", " + active + " active", new SaeDecodeCases.EncodeBackward(tokens, dIn, dSae, active, false, dtype));
        add(layer + ", " + active + " active", new SaeDecodeCases.Densify(tokens, dSae, active));
        add(layer + ", " + active + " active, two classes", new SaeDecodeCases.Accumulate(tokens, dSae, active, 2, true, false));
        // Training: gradients of the decoder and the encoder, and what keeps the decoder's rows at length 1.
        add(layer + ", " + active + " active", new SaeWeightGradientCase(tokens, dIn, dSae, active, false));
        add(layer + ", " + active + " active, transposed", new SaeWeightGradientCase(tokens, dIn, dSae, active, true));
        add("[" + dSae + ", " + dIn + "]", new RowCases.DotRows(dSae, dIn, false));
        add("[" + dSae + ", " + dIn + "]", new RowCases.ScaleRows(dSae, dIn, true, true));
        add("[" + tokens + ", " + dIn + "]", new StandardizeCases.Forward(tokens, dIn, false));
        add("[" + tokens + ", " + dIn + "]", new StandardizeCases.Backward(tokens, dIn, true, true));
        add("[" + tokens + ", " + dIn + "]", new StandardizeCases.UnstandardizeForward(tokens, dIn, false));
        add("[" + tokens + ", " + dIn + "]", new StandardizeCases.UnstandardizeBackward(tokens, dIn, false));
    }
}
