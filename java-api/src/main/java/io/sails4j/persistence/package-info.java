/** A run on disk: checkpoints, metrics, evaluation on the way, resuming. It knows nothing of subspaces. */
@NullMarked
package io.sails4j.persistence;

import org.jspecify.annotations.NullMarked;
