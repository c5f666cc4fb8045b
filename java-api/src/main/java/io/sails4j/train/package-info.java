/** Losses, optimizer, schedules and the training loop; tracing of one batch. */
@NullMarked
package io.sails4j.train;

import org.jspecify.annotations.NullMarked;
