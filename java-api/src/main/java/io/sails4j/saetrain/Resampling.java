package io.sails4j.saetrain;

import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.Random;

/**
 * Fresh starts of dead features (Bricken et al. 2023, Towards Monosemanticity, "Neuron Resampling"): the decoder's row becomes the
 * direction of a vector that is drawn by the square of its loss, the encoder's column the same at a fifth of the mean length of the others,
 * the bias 0, and the optimizer forgets the feature. None in the last third of the steps: they need the time.
 */
final class Resampling {
    private static final double ENCODER_SHARE = 0.2;

    private final SaeParameters parameters;
    private final SaeTrainOptions options;
    private final DeadFeatures dead;
    private final int dIn;
    private final long seed;
    private float[] errors = new float[0];
    private int seen;
    private boolean due;

    Resampling(SaeParameters parameters, SaeTrainOptions options, DeadFeatures dead, int dIn, long seed) {
        this.parameters = parameters;
        this.options = options;
        this.dead = dead;
        this.dIn = dIn;
        this.seed = seed;
    }

    void begin(long step, int vectors) {
        int every = options.revival().resampleEvery();
        due = !options.shape().kind().fixesCount() && every > 0 && (step + 1) % every == 0
            && 3 * (step + 1) <= 2 * options.batching().steps();
        errors = new float[due ? vectors : 0];
        seen = 0;
    }

    /** Takes the errors of some of the batch's vectors, in their order. */
    void seeErrors(Engine engine, Tensor error, TensorArena memory) {
        if (due) {
            Tensor squares = memory.allocate(DType.F32, error.dim(0));
            engine.ops().elementwise().dotRows(squares, error, error);
            float[] of = squares.toFloatArray();
            System.arraycopy(of, 0, errors, seen, of.length);
            seen += of.length;
        }
    }

    /** @param x the vectors of the step, as they went in */
    void afterStep(long step, float[] x) {
        if (due && dead.count() > 0) {
            new Fresh(x, new Random(seed * 1_000_003 + step)).start();
        }
    }

    /** One round: matrices are fetched, changed and put back, which seldom happens. */
    private final class Fresh {
        private final float[] x;
        private final Random random;
        private final float[] bDec = parameters.value(SaeParameters.B_DEC).toFloatArray();
        private final double[] cumulative = new double[errors.length];

        Fresh(float[] x, Random random) {
            this.x = x;
            this.random = random;
            double sum = 0;
            for (int t = 0; t < errors.length; t++) {
                sum += (double) errors[t] * errors[t];
                cumulative[t] = sum;
            }
        }

        void start() {
            int width = options.shape().width();
            float[] encoder = parameters.value(SaeParameters.W_ENC).toFloatArray();
            float[] decoder = parameters.value(SaeParameters.W_DEC).toFloatArray();
            double length = ENCODER_SHARE * meanLength(encoder, width);
            for (int i = 0; i < width; i++) {
                if (dead.dead(i)) {
                    double[] direction = direction();
                    for (int d = 0; d < dIn; d++) {
                        decoder[i * dIn + d] = (float) direction[d];
                        encoder[d * width + i] = (float) (length * direction[d]);
                    }
                }
            }
            parameters.value(SaeParameters.W_ENC).upload(encoder);
            parameters.value(SaeParameters.W_DEC).upload(decoder);
            forget(width);
        }

        private double meanLength(float[] encoder, int width) {
            double sum = 0;
            int living = 0;
            double[] squares = new double[width];
            for (int at = 0; at < encoder.length; at++) {
                squares[at % width] += (double) encoder[at] * encoder[at];
            }
            for (int i = 0; i < width; i++) {
                if (!dead.dead(i)) {
                    sum += Math.sqrt(squares[i]);
                    living++;
                }
            }
            return living == 0 ? 1 : sum / living;
        }

        private double[] direction() {
            double drawn = random.nextDouble() * cumulative[cumulative.length - 1];
            int t = 0;
            while (t < cumulative.length - 1 && cumulative[t] <= drawn) {
                t++;
            }
            double[] direction = new double[dIn];
            double squares = 0;
            for (int d = 0; d < dIn; d++) {
                direction[d] = (double) x[t * dIn + d] - bDec[d];
                squares += direction[d] * direction[d];
            }
            for (int d = 0; d < dIn; d++) {
                direction[d] /= squares == 0 ? 1 : Math.sqrt(squares);
            }
            return direction;
        }

        private void forget(int width) {
            boolean[] fresh = new boolean[width];
            for (int i = 0; i < width; i++) {
                fresh[i] = dead.dead(i);
            }
            parameters.resetFeatures(fresh, options.sparsity().initialThreshold());
            for (int i = 0; i < width; i++) {
                if (fresh[i]) {
                    dead.revive(i);
                }
            }
        }
    }
}
