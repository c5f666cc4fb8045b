package io.sails4j.saetrain;

import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.Random;

/**
 * Fresh starts of dead features, after Bricken et al. 2023 (Towards Monosemanticity, "Neuron Resampling"): a vector is drawn by the square
 * of its loss; the decoder's row becomes the direction of what its reconstruction lacks, the encoder's column the same, the bias 0, and the
 * optimizer forgets the feature. None in the last fifth of the steps: they need the time.
 *
 * <p>Two things differ. Bricken et al. take the direction of the vector itself: what is lacking is nearer to a feature that nobody has
 * found. Their encoder gets a fifth of the mean length of the others; so it does here where any pre-activation above 0 makes a feature
 * active, and all of the length where a feature has to pass a threshold or others, below which it would be dead again.
 */
final class Resampling {
    private static final double SHARE_ABOVE_ZERO = 0.2;

    private final SaeParameters parameters;
    private final SaeTrainOptions options;
    private final DeadFeatures dead;
    private final int dIn;
    private final long seed;
    private float[] errors = new float[0];
    private float[] squares = new float[0];
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
        due = every > 0 && (step + 1) % every == 0 && 5 * (step + 1) <= 4 * options.batching().steps();
        errors = new float[due ? vectors * dIn : 0];
        squares = new float[due ? vectors : 0];
        seen = 0;
    }

    /**
     * Takes some of the batch's vectors, in their order.
     *
     * @param error [n, d_in], recon - x
     */
    void seeErrors(Engine engine, Tensor error, TensorArena memory) {
        if (due) {
            Tensor dots = memory.allocate(DType.F32, error.dim(0));
            engine.ops().elementwise().dotRows(dots, error, error);
            float[] of = dots.toFloatArray();
            System.arraycopy(of, 0, squares, seen, of.length);
            System.arraycopy(error.toFloatArray(), 0, errors, seen * dIn, of.length * dIn);
            seen += of.length;
        }
    }

    void afterStep(long step) {
        if (due && dead.count() > 0) {
            new Fresh(new Random(seed * 1_000_003 + step)).start();
        }
    }

    /** One round: matrices are fetched, changed and put back, which seldom happens. */
    private final class Fresh {
        private final Random random;
        private final double[] cumulative = new double[squares.length];

        Fresh(Random random) {
            this.random = random;
            double sum = 0;
            for (int t = 0; t < squares.length; t++) {
                sum += (double) squares[t] * squares[t];
                cumulative[t] = sum;
            }
        }

        void start() {
            int width = options.shape().width();
            float[] encoder = parameters.value(SaeParameters.W_ENC).toFloatArray();
            float[] decoder = parameters.value(SaeParameters.W_DEC).toFloatArray();
            double length = share() * meanLength(encoder, width);
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

        private double share() {
            return switch (options.shape().kind()) {
                case TOPK, BATCHTOPK, JUMPRELU -> 1;
                case GATED, STANDARD -> SHARE_ABOVE_ZERO;
            };
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
            double length = Math.sqrt(squares[t]);
            for (int d = 0; d < dIn; d++) {
                direction[d] = length == 0 ? 0 : -errors[t * dIn + d] / length;
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
