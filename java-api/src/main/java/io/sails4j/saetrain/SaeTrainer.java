package io.sails4j.saetrain;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import io.sails4j.train.TrainingException;
import java.util.Arrays;
import java.util.SequencedMap;

/**
 * Trains one autoencoder, step by step, on vectors that its caller scales to a mean length of sqrt(d_in); {@link SaeTrainRun} is the whole
 * run around it.
 */
public final class SaeTrainer implements AutoCloseable {
    /** An error of this many times the variance is no training any more. */
    private static final double DIVERGED = 1e4;

    private final Engine engine;
    private final SaeTrainOptions options;
    private final int dIn;
    private final int width;
    private final SaeParameters parameters;
    private final TensorArena memory;
    private final Sparsifier sparsifier;
    private final CodeSource codes;
    private final BatchChoice choice;
    private final Reconstruction reconstruction;
    private final DeadFeatures dead;
    private final Resampling resampling;
    private final AuxLoss auxLoss;

    /**
     * An autoencoder whose parameters are 0 until {@link #initialize}.
     *
     * @param seed of the choices that training makes
     */
    public SaeTrainer(Engine engine, SaeTrainOptions options, int dIn, long seed) {
        this.engine = engine;
        this.options = options;
        this.dIn = dIn;
        this.width = options.shape().width();
        this.parameters = new SaeParameters(engine, options.shape().kind(), dIn, width);
        this.memory = new TensorArena(engine.device());
        this.sparsifier = switch (options.shape().kind()) {
            case TOPK, BATCHTOPK -> new FixedCount(parameters, options.shape().k());
            case JUMPRELU -> new JumpRelu(parameters, options.sparsity());
            case GATED -> new Gated(parameters);
            case STANDARD -> new Standard(engine, parameters);
        };
        this.codes = new CodeSource(engine, parameters, width);
        this.choice = new BatchChoice(codes, parameters, width, options.shape().k());
        this.reconstruction = new Reconstruction(engine, parameters);
        this.dead = new DeadFeatures(width, options.revival().deadSteps(options.batching().steps()));
        this.resampling = new Resampling(parameters, options, dead, dIn, seed);
        this.auxLoss = new AuxLoss(codes, parameters, reconstruction, dead, options.revival(), dIn);
    }

    SaeParameters parameters() {
        return parameters;
    }

    DeadFeatures dead() {
        return dead;
    }

    /** Of batchtopk. */
    double threshold() {
        return choice.threshold();
    }

    /** Fills the parameters for a start, with the decoder's bias at the mean of the vectors. */
    public void initialize(float[] mean, long seed) {
        new Initialization(options, dIn, seed).fill(parameters, mean);
    }

    /** The sums of a step over its blocks of vectors. */
    static final class Sums {
        double squares;
        double mse;
        double sparsity;
        double aux;
        double active;
    }

    /**
     * One step: forward, backward, update.
     *
     * @param x [vectors * d_in], row-major
     * @param variance sum of the squared deviations from their mean
     * @param step from 0
     * @throws TrainingException where training diverges
     */
    public SaeLosses step(float[] x, double variance, long step) {
        memory.reset();
        parameters.zeroGradients();
        int n = x.length / dIn;
        Sums sums = gradients(x, step);
        double loss = sums.mse + sums.sparsity + sums.aux;
        if (!Double.isFinite(loss) || variance > 0 && sums.squares > DIVERGED * variance) {
            throw new TrainingException("training diverges: in step " + (step + 1) + " the loss is " + loss
                + ", with a squared error of " + sums.squares / variance + " times the variance; lower the learning rate");
        }
        double lr = options.optimization().lr(dIn, width, step, options.batching().steps());
        double norm = parameters.update(step + 1, options.optimization().adamw().withLr(lr), options.optimization().maxGradNorm());
        if (unitRows()) {
            reconstruction.normalizeRows(memory);
        }
        dead.endStep();
        int deadNow = dead.count();
        resampling.afterStep(step);
        return new SaeLosses(loss, sums.mse, sums.sparsity, sums.aux, sums.squares / variance, sums.active / n, deadNow, norm);
    }

    /** Fills the gradients of all parameters. */
    Sums gradients(float[] x, long step) {
        int n = x.length / dIn;
        Tensor rows = memory.of(x, n, dIn);
        Tensor xin = memory.allocate(DType.F32, n, dIn);
        engine.ops().elementwise().addRow(xin, rows, parameters.value(SaeParameters.B_DEC), -1);
        Sparsifier.Asked asked = sparsifier.begin(memory);
        auxLoss.begin(memory);
        resampling.begin(step, n);
        FeatureGradients gradients = new FeatureGradients(width);
        double coefficient = coefficient(step) / n;
        Sums sums = new Sums();
        for (int from = 0; from < n;) {
            TensorArena.Mark mark = memory.mark();
            CodeBlock block = options.shape().kind() == SaeKind.BATCHTOPK ? choice.choose(xin, memory)
                : codes.next(xin.rows(from, n - from), asked, memory);
            int count = block.tokens();
            addBlock(block, rows.rows(from, count), xin.rows(from, count), n, coefficient, gradients, sums);
            from += count;
            memory.release(mark);
        }
        codes.endStep();
        sparsifier.collect(gradients, memory);
        reconstruction.addInputToBias(gradients.product, memory);
        if (unitRows()) {
            reconstruction.removeParallel(memory);
        }
        return sums;
    }

    /** Whether the decoder's rows have length 1; where their lengths weigh the sparsity term they are free. */
    private boolean unitRows() {
        return options.shape().kind() != SaeKind.STANDARD;
    }

    private double coefficient(long step) {
        double rising = options.sparsity().sparsityWarmup() * options.batching().steps();
        return options.sparsity().sparsity(options.shape().kind()) * (rising < 1 ? 1 : Math.min(1, (step + 1) / rising));
    }

    private void addBlock(CodeBlock block, Tensor x, Tensor xin, int n, double coefficient, FeatureGradients gradients, Sums sums) {
        sparsifier.activate(block);
        dead.see(block);
        block.forEach((slot, _) -> sums.active += block.acts()[slot] > 0 ? 1 : 0);
        Tensor error = addReconstructions(block, x, n, sums);
        resampling.seeErrors(engine, error, memory);
        if (options.shape().kind().fixesCount()) {
            sums.aux += auxLoss.add(error, xin, n, gradients, memory);
        } else if (sparsifier instanceof Gated gated) {
            sums.aux += addGates(gated, block, x, n);
        }
        sums.sparsity += sparsifier.addPenalty(block, coefficient);
        sparsifier.backward(block, coefficient, gradients);
        reconstruction.addToEncoder(block, block.dz(), xin, memory);
    }

    /** The mean, over the prefixes, of their squared errors; returns the error of all features. */
    private Tensor addReconstructions(CodeBlock block, Tensor x, int n, Sums sums) {
        int prefixes = options.shape().matryoshka().widths().size() + 1;
        for (int prefix : options.shape().matryoshka().widths()) {
            TensorArena.Mark mark = memory.mark();
            addReconstruction(block, block.countsBelow(prefix), x, n, prefixes, sums);
            memory.release(mark);
        }
        Tensor error = addReconstruction(block, block.counts(), x, n, prefixes, sums);
        sums.squares += reconstruction.sumOfSquares(error);
        return error;
    }

    private Tensor addReconstruction(CodeBlock block, int[] counts, Tensor x, int n, int prefixes, Sums sums) {
        Reconstruction.Codes of = Reconstruction.Codes.of(block, block.acts(), counts, memory);
        Tensor error = reconstruction.error(of, parameters.value(SaeParameters.B_DEC), x, -1, memory);
        double scale = 1.0 / n / prefixes;
        sums.mse += scale * reconstruction.sumOfSquares(error);
        Tensor gradient = reconstruction.gradient(error, scale, memory);
        block.addDActs(reconstruction.ofValues(of, gradient, memory), counts);
        reconstruction.addToDecoder(of, gradient);
        reconstruction.addToBias(gradient, memory);
        return error;
    }

    /** The gates reconstruct by themselves through the decoder as it is (arXiv:2404.16014, section 3). */
    private double addGates(Gated gated, CodeBlock block, Tensor x, int n) {
        Reconstruction.Codes of = Reconstruction.Codes.of(block, block.z(), block.counts(), memory);
        Tensor error = reconstruction.error(of, parameters.value(SaeParameters.B_DEC), x, -1, memory);
        gated.addGateGradient(reconstruction.ofValues(of, reconstruction.gradient(error, 1.0 / n, memory), memory));
        return reconstruction.sumOfSquares(error) / n;
    }

    // ---------------------------------------------------------------- state

    void putState(SequencedMap<String, HostTensor> state, String prefix) {
        parameters.putState(state, prefix);
        state.put(prefix + "silent", HostTensor.ofInts(dead.state(), width));
    }

    void putCounters(ObjectNode json) {
        json.put("capacity", codes.capacity());
        ArrayNode numbers = json.putArray("batch_choice");
        // Bits: a number that is not finite is no JSON.
        Arrays.stream(choice.state()).forEach(number -> numbers.add(Double.doubleToLongBits(number)));
    }

    void restore(SafetensorsFile state, String prefix, JsonNode json) {
        parameters.restore(state, prefix);
        dead.restore(state.tensor(prefix + "silent").toIntArray());
        codes.restore(json.path("capacity").asInt());
        double[] numbers = new double[json.path("batch_choice").size()];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = Double.longBitsToDouble(json.path("batch_choice").get(i).asLong());
        }
        choice.restore(numbers);
    }

    @Override
    public void close() {
        memory.close();
        parameters.close();
    }
}
