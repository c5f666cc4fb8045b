/**
 * Objectives over batches of examples: SFT, DPO, IPO, ORPO; the passes through the model that compute them, and their recording as graphs.
 */
@NullMarked
package io.sails4j.objective;

import org.jspecify.annotations.NullMarked;
