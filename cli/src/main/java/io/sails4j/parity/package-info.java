/**
 * The engine against independent reference data: models, gradients, adapters, optimizer steps, autoencoders, subspaces. For tests and for
 * {@code sails selftest}.
 */
@NullMarked
package io.sails4j.parity;

import org.jspecify.annotations.NullMarked;
