/** How to train, as options: objective, batches, optimizer, schedule, what a run keeps on disk; and what stops a run. */
@NullMarked
package io.sails4j.train;

import org.jspecify.annotations.NullMarked;
