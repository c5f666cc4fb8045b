package io.sails4j.train;

/** How the learning rate goes over a run, as a factor on its largest value, after a linear warm-up. */
public enum LrSchedule {
    CONSTANT {
        @Override
        double after(double progress) {
            return 1;
        }
    },
    LINEAR {
        @Override
        double after(double progress) {
            return 1 - progress;
        }
    },
    COSINE {
        @Override
        double after(double progress) {
            return 0.5 * (1 + Math.cos(Math.PI * progress));
        }
    };

    /** The factor at {@code progress} in [0, 1) of the steps that follow the warm-up. */
    abstract double after(double progress);

    /**
     * The factor of a step.
     *
     * @param step from 0
     * @param total steps of the run
     * @param warmup steps of the warm-up, whose k-th (from 1) has k / (warmup + 1): none is wasted on a rate of 0
     */
    public double factor(long step, long total, long warmup) {
        if (step < 0 || step >= total || warmup < 0 || warmup > total) {
            throw new IllegalArgumentException("step " + step + " of " + total + " with " + warmup + " of warm-up");
        }
        return step < warmup ? (step + 1.0) / (warmup + 1.0) : after((step - warmup) / (double) (total - warmup));
    }
}
