package io.sails4j.attack;

import io.sails4j.eval.Metric;

/**
 * A suffix behind the prompts for which it was not searched.
 *
 * @param suffix as it is written behind the requests
 * @param from index of the first prompt for which it was searched
 * @param arm whose suffix it is, and who answered
 * @param metric a rate or mean over the other prompts
 */
public record Transfer(String suffix, int from, String arm, Metric metric) {
}
