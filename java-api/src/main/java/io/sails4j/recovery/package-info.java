/** How well a subspace that is known is found again, from raw activations and from features of sparse autoencoders. */
@NullMarked
package io.sails4j.recovery;

import org.jspecify.annotations.NullMarked;
