package io.sails4j.monitor;

import io.sails4j.steer.Feature;

/**
 * A feature at a token.
 *
 * @param activation in the SAE's units
 * @param share what it adds to the signal: activation times weight
 */
public record ActiveFeature(Feature feature, float activation, double share) {
}
