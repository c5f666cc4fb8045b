package io.sails4j.train;

/**
 * How DPO and IPO take the untrained model's log-probabilities: once before the first step, kept on disk, or in each step with the adapter
 * off.
 */
public enum Reference {
    CACHED, LIVE
}
