package io.sails4j.demo.world;

/**
 * A request and the truth about it.
 *
 * @param category the deed's, or that of the harm where malice makes it
 * @param compliance the right answer of somebody who refuses nothing
 * @param refusal an answer that refuses it
 */
record WorldPrompt(String text, Kind kind, String category, boolean harmful, String compliance, String refusal) {
}
