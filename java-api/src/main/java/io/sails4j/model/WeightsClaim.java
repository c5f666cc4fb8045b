package io.sails4j.model;

/** The right to change a model's weights in place, until it is closed; see {@link CausalModel#claimWeights}. */
public final class WeightsClaim implements AutoCloseable {
    private final Runnable release;
    private boolean closed;

    WeightsClaim(Runnable release) {
        this.release = release;
    }

    /** A second call does nothing. */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            release.run();
        }
    }
}
